# Has the image's own Ignition make what the machine's configuration for it says, as the initramfs of CoreOS does: before the
# init starts, and once in the life of what the guest's root is written to. Runs in the guest's root; says what went wrong
# on its standard output, in lines of Ignition's that hold nothing of the configuration.
cd /etc/mayfly || exit 1
[ -e ignition.json ] || exit 0
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/mayfly/bin
export PATH
umask 022 # for the folders that Ignition makes
state=/run/mayfly-ignition log=/var/log/ignition.log resolver= labels=
tidy() { rm -rf ignition.json $state $resolver $labels; } # a secret; and all in /run, on which the init mounts its own
trap tidy EXIT
[ ! -e ignited ] || exit 0

for ignition in /usr/lib/dracut/modules.d/*ignition/ignition /usr/bin/ignition; do [ ! -x "$ignition" ] || break; done
[ -x "$ignition" ] || { echo "the image has no Ignition" && exit 1; }

# Where the resolver's address is that of a daemon which does not run yet: see prepare.sh.
if [ ! -e /etc/resolv.conf ] && link=$(readlink /etc/resolv.conf); then
  case $link in /*) resolver=$link ;; *) resolver=/etc/$link ;; esac
  mkdir -p "${resolver%/*}" && echo "nameserver 10.53.0.3" >"$resolver"
fi

# The configuration in the place of the image's own one, beside what else the image has there. Not through QEMU's firmware
# configuration: the image's kernel may have no driver for that.
mkdir -p -m 700 $state
mkdir -p $state/system /var/log
for file in /usr/lib/ignition/*; do [ ! -e "$file" ] || ln -s "$file" $state/system/; done
rm -f $state/system/user.ign
cp ignition.json $state/system/user.ign

# It labels what it writes for SELinux, and most builds of it fail where there is none.
if [ ! -e /etc/selinux/config ]; then
  labels=/etc/selinux/config
  [ -d /etc/selinux ] || labels=/etc/selinux
  mkdir -p /etc/selinux $state/bin
  echo SELINUXTYPE=none >/etc/selinux/config
  printf '#!/usr/lib/mayfly/busybox true\n' >$state/bin/setfiles
  chmod +x $state/bin/setfiles
  PATH=$state/bin:$PATH
fi

export IGNITION_SYSTEM_CONFIG_DIR=$state/system
rm -f $log
(umask 077 && : >$log)
for stage in fetch disks mount files umount; do
  "$ignition" --platform=qemu --root=/ --stage=$stage --log-to-stdout --config-cache=$state/config.json \
    --state-file=$state/state --neednet=$state/neednet >>$log 2>&1 && continue
  # Among what it prints then is the whole configuration.
  sed -i '/^Full config:/,/^}/d' $log
  echo "Ignition failed in its stage \"$stage\": $(grep -E 'CRITICAL|\[failed\]|error at' $log | tail -n 3 | cut -c 1-300)"
  exit 1
done

# Units that are to be enabled are a preset, which systemd applies where the machine has no id yet; this one has.
preset=/etc/systemd/system-preset/20-ignition.preset
[ ! -e $preset ] || said=$(systemctl preset $(awk '{ print $2 }' $preset) 2>&1) || { echo "systemctl preset: $said" && exit 1; }
: >ignited
