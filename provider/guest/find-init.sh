# Which program of an image is its init, and of which kind: systemd, scripts (an inittab that runs sysv-rc or OpenRC), other,
# or minimal (none, Mayfly's own takes its place). One rule, for two readers: the look into an image
# (provider/images/look.ts), which spares an image of another init the boot that is to become a template; and each boot
# (init.sh), as what is on a scratch disk may have become another machine. A reader brings its own ways into the image:
#   is_there PATH     whether there is such a program
#   leads_to PATH     prints the path that a link leads to; fails where there is no program
#   text_of PATH      prints a file; nothing where there is none
OWN_TABLE="# Written by Mayfly" # begins the inittab of our own init, which a scratch disk keeps over a restart

# starts_something PATH: images that are made of busybox have a link for each of its programs, the init too. Those are for
# containers, unless there is something that it is to start.
starts_something() {
  case $(leads_to "$1") in
  "") return 1 ;;
  *busybox*) ;;
  *) return 0 ;;
  esac
  case $(text_of /etc/inittab) in "$OWN_TABLE"*) return 1 ;; esac
  first=$(text_of /etc/inittab | sed -n 's/^[^#:]*:[^:]*:sysinit:\([^ ]*\).*/\1/p' | head -n 1)
  is_there "${first:-/etc/init.d/rcS}"
}

# find_init: sets init, empty where there is none, and kind.
find_init() {
  init='' kind=minimal
  for path in /sbin/init /usr/sbin/init /lib/systemd/systemd /usr/lib/systemd/systemd /init; do
    starts_something "$path" || continue
    init=$path kind=other
    case $(leads_to "$path") in */systemd) kind=systemd && return ;; esac
    case $(text_of /etc/inittab | grep -v '^#') in */etc/init.d/rc* | *openrc*) kind=scripts ;; esac
    return
  done
}
