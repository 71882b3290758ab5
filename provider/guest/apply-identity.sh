# Makes this root filesystem a machine of its own: name, machine-id, host key, sshd's rules, resolver, environment.
# Runs in the guest's root before its init does. The files under /etc/mayfly came with the identity disk.
PATH=/usr/lib/mayfly/bin
export PATH
cd /etc/mayfly || exit 1

cat hostname >/etc/hostname
hostname "$(cat hostname)"
touch /etc/hosts
grep -qwF "$(cat hostname)" /etc/hosts || printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(cat hostname)" >>/etc/hosts
cat machine-id >/etc/machine-id
if [ -d /var/lib/dbus ] && [ ! -L /var/lib/dbus/machine-id ]; then cat machine-id >/var/lib/dbus/machine-id; fi

# The image's own settings stay, but sshd takes the first value that it reads for a keyword, and ours come first.
config=/etc/ssh/sshd_config
mkdir -p /etc/ssh
[ -e /etc/mayfly/sshd_config.image ] || cat "$config" >/etc/mayfly/sshd_config.image 2>/dev/null || : >/etc/mayfly/sshd_config.image
cat sshd_config sshd_config.image >"$config"
# OpenSSH 9.8 shuts out an address after failed logins; here all logins come from one address, the host's.
sshd=$(command -v /usr/sbin/sshd || command -v /usr/bin/sshd) && grep -q PerSourcePenalties "$sshd" &&
  sed -i '1i PerSourcePenalties no' "$config"
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub # keys from the image are known to all who have the image
chmod 600 /etc/mayfly/ssh_host_key

if [ -d /etc/systemd/system ]; then
  for unit in ssh.service sshd.service; do
    for folder in /usr/lib/systemd/system /lib/systemd/system; do
      [ -e "$folder/$unit" ] || continue
      mkdir -p /etc/systemd/system/multi-user.target.wants
      ln -sf "$folder/$unit" "/etc/systemd/system/multi-user.target.wants/$unit"
      break 2
    done
  done
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

[ -e environment.image ] || cat /etc/environment >environment.image 2>/dev/null || : >environment.image
cat environment.image environment >/etc/environment
