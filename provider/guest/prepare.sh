# Prepares the image's own files for a life as a machine, whichever that will be: sshd's rules, services, resolver. Runs
# in the guest's root before its init does, at every boot, also at that of a template. Started with sshd's path.
PATH=/usr/lib/mayfly/bin
export PATH
cd /etc/mayfly || exit 1

[ -p silence ] || mkfifo -m 600 silence # see until-true.sh
rm -f journal sshd-listens waits begin # pipes of a template whose clone restarts itself
[ ! -e template ] || mkfifo -m 600 waits begin # see minimal-init.sh

keep() { # keep FILE NAME: the image's own text of a file that we write, as it was before our first boot
  [ -e "$2.image" ] || cat "$1" >"$2.image" 2>/dev/null || : >"$2.image"
}
keep /etc/hosts hosts
case $1 in
/usr/lib/mayfly/*) # it is lent: its sessions get what a container of the image gets
  # By grep, which ends a last line that has no end.
  [ -e environment.image ] || grep -hs '' /etc/environment /usr/lib/mayfly/environment >environment.image
  ;;
esac
keep /etc/environment environment
touch environment

# door_rules: PAM's rules for our door are the image's, but for what tells a person the news: it runs some programs at
# each login, which under emulation take longer than the login, and is not for machines to read. sshd takes those of its
# own name, and agent.sh starts it by this one; from 9.8 on it is told (sshd_config(5), PAMServiceName), and its name has to
# be its path.
door_rules() {
  for rules in /usr/lib/pam.d/sshd /etc/pam.d/sshd; do
    [ ! -e $rules ] || grep -v -e 'pam_motd\.so' -e 'pam_mail\.so' $rules >/etc/pam.d/mayfly-sshd
  done
  rm -f names-pam has-pam
  case $words in *pamservicename*) : >names-pam ;; esac
  case $words in *libpam.so.0*) : >has-pam ;; esac
}

# door_config: our door has an address of its own, and would listen at the image's ones too, which its own server then could
# not: sshd takes all that it is told. A text of its own only where there are such lines: else the door goes by the same
# one as the image's server.
door_config() {
  rm -rf sshd_config.door door.d
  address='^[[:space:]]*ListenAddress' included=/etc/ssh/sshd_config.d
  grep -qi "$address" sshd_config.image $included/*.conf 2>/dev/null || return 0
  mkdir -m 755 door.d
  for file in $included/*.conf; do
    [ ! -e "$file" ] || grep -vi "$address" "$file" >"door.d/${file##*/}"
  done
  grep -vi "$address" sshd_config.image |
    sed 's#^\([[:space:]]*[Ii]nclude[[:space:]]*\)\(/etc/ssh/\)*sshd_config\.d/#\1/etc/mayfly/door.d/#' |
    cat sshd_config - >sshd_config.door
}

# own_sshd SSHD: the image's own settings stay, but sshd takes the first value that it reads for a keyword, and ours come
# first.
own_sshd() {
  config=/etc/ssh/sshd_config
  # What it knows of, and needs: at each boot, before the init may begin.
  words=$(/usr/lib/mayfly/helper words "$1" persourcepenalties pamservicename libpam.so.0)
  mkdir -p /etc/ssh
  keep "$config" sshd_config
  cat sshd_config sshd_config.image >"$config"
  door_config
  # OpenSSH 9.8 shuts out an address after failed logins; here all logins come from one address, the host's.
  case $words in
  *persourcepenalties*)
    for text in "$config" sshd_config.door; do
      [ ! -e $text ] || sed -i '1i PerSourcePenalties no' "$text"
    done
    ;;
  esac
  door_rules
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub # keys from the image are known to all who have the image
}
case $1 in
/usr/lib/mayfly/*) sh /usr/lib/mayfly/lend-sshd.sh ;;
*) own_sshd "$1" ;;
esac

# enable TARGET UNIT...: has systemd start the first of the units that the image has.
enable() {
  target=$1
  shift
  for unit in "$@"; do
    for folder in /usr/lib/systemd/system /lib/systemd/system; do
      [ -e "$folder/$unit" ] || continue
      mkdir -p "/etc/systemd/system/$target.wants"
      ln -sf "$folder/$unit" "/etc/systemd/system/$target.wants/$unit"
      return
    done
  done
  return 1
}

# network_rules: whoever asks by DHCP for our card's address gets another one on a template's clone, which has another
# hardware address; and managers of networks take from a card what they have not given to it. So systemd-networkd is told what
# init.sh does, as it must have a card to wait for, and to leave alone the cards of private networks (join-networks.sh);
# NetworkManager, to leave alone all. By a name that comes before all others: the first text that fits a card is taken.
network_rules() {
  if [ -x /usr/lib/systemd/systemd-networkd ] || [ -x /lib/systemd/systemd-networkd ]; then
    mkdir -p /etc/systemd/network
    cat >/etc/systemd/network/0-mayfly.network <<'RULES'
# Written by Mayfly.
[Match]
Name=eth0
[Network]
Address=10.53.0.15/24
Gateway=10.53.0.2
DNS=10.53.0.3
LinkLocalAddressing=no
IPv6AcceptRA=no
KeepConfiguration=yes
RULES
    cat >/etc/systemd/network/0-mayfly-networks.network <<'RULES'
# Written by Mayfly.
[Match]
Name=eth[1-9]*
[Link]
Unmanaged=yes
RULES
  fi
  if [ -x /usr/sbin/NetworkManager ] || [ -x /usr/bin/NetworkManager ]; then
    mkdir -p /etc/NetworkManager/conf.d
    printf '# Written by Mayfly.\n[keyfile]\nunmanaged-devices=interface-name:eth*\n' >/etc/NetworkManager/conf.d/zz-mayfly.conf
  fi
}
network_rules

if [ -d /etc/systemd/system ]; then
  if [ -e template ]; then
    mkdir -p /etc/systemd/system/systemd-journald.service.d
    cat >/etc/systemd/system/systemd-journald.service.d/mayfly.conf <<'UNIT'
# Written by Mayfly: see hold_journal in /usr/lib/mayfly/agent.sh.
[Service]
BindPaths=-/etc/mayfly/journal:/proc/sys/kernel/random/boot_id
UNIT
    # No first boot, as no machine's is: at one systemd enables again what is taken from it here, and asks on the console
    # (machine-id(5)).
    case $(cat /etc/machine-id 2>/dev/null) in "" | uninitialized) : >/etc/machine-id ;; esac
    # A server that runs would keep the template's keys; one that waits for its first client has none yet.
    rm -f /etc/systemd/system/multi-user.target.wants/ssh.service /etc/systemd/system/multi-user.target.wants/sshd.service
    if enable sockets.target ssh.socket sshd.socket; then
      : >by-socket
    else
      for unit in ssh.service sshd.service; do
        [ ! -e "/usr/lib/systemd/system/$unit" ] || echo "$unit" >start-after
      done
    fi
  else
    # A clone that restarts itself, on a disk that has kept what its template was.
    [ ! -e by-socket ] || rm -f /etc/systemd/system/sockets.target.wants/ssh.socket /etc/systemd/system/sockets.target.wants/sshd.socket by-socket
    enable multi-user.target ssh.service sshd.service
  fi
  # sshd wants /run/sshd for each login, at our door too, and the image's own takes it away when it is stopped.
  # Debian's tries its configuration out before it starts, by a start that takes as long, and as it does itself.
  for unit in ssh.service sshd.service; do
    mkdir -p "/etc/systemd/system/$unit.d"
    printf '[Service]\nRuntimeDirectoryPreserve=yes\n' >"/etc/systemd/system/$unit.d/mayfly.conf"
    case $(grep -hs '^ExecStartPre=' "/usr/lib/systemd/system/$unit" "/lib/systemd/system/$unit" | sort -u) in
    ExecStartPre=/usr/sbin/sshd\ -t) echo ExecStartPre= >>"/etc/systemd/system/$unit.d/mayfly.conf" ;;
    esac
  done
  # journald makes its files 8 MiB at once, and what the guest writes is in its memory. The image's own word goes first.
  if ! grep -qs '^[A-Za-z]*MaxFileSize=' /etc/systemd/journald.conf /etc/systemd/journald.conf.d/* /usr/lib/systemd/journald.conf.d/*; then
    mkdir -p /etc/systemd/journald.conf.d
    printf '[Journal]\nSystemMaxFileSize=2M\nRuntimeMaxFileSize=2M\n' >/etc/systemd/journald.conf.d/mayfly.conf
  fi
  mkdir -p /etc/systemd/resolved.conf.d
  printf '[Resolve]\nDNS=10.53.0.3\n' >/etc/systemd/resolved.conf.d/mayfly.conf
fi
case $(readlink /etc/resolv.conf) in
*systemd/resolve*) ;; # resolved was told above
*)
  rm -f /etc/resolv.conf
  echo "nameserver 10.53.0.3" >/etc/resolv.conf
  ;;
esac
