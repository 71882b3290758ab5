# Makes a guest on a disk of its own what its machine is declared to be. Run in it as root, over SSH, and by its own
# programs: once when it is new, with a host name, and whenever other users or keys are declared.
#
# Prints the guest's machine-id. Ends with 1 and lines "problem: …" where something cannot be had.
cd /etc/mayfly/settle || exit 1
trap 'rm -rf /etc/mayfly/settle' EXIT
. ./until-true.sh

if [ -e hostname ]; then
  name=$(cat hostname)
  echo "$name" >/etc/hostname
  echo "$name" >/proc/sys/kernel/hostname
  grep -q "[[:space:]]$name\$" /etc/hosts 2>/dev/null || echo "127.0.1.1 $name" >>/etc/hosts
  [ -z "$(tail -c 1 /etc/environment 2>/dev/null)" ] || echo >>/etc/environment # its last line has no end
  cat environment >>/etc/environment
  # OpenSSH 9.8 shuts out an address after failed logins; here all logins come from one address, the host's.
  sshd=$(command -v sshd || echo /usr/sbin/sshd)
  if grep -q PerSourcePenalties "$sshd"; then
    echo "PerSourcePenalties no" >/etc/ssh/sshd_config.d/01-mayfly.conf
    kill -HUP "$(cat /run/sshd.pid)" 2>/dev/null
  fi
fi

said=$(sh ./apply-access.sh 2>&1)
code=$?
# Files that were made anew have their folder's label of SELinux, which is the wrong one for some.
command -v restorecon >/dev/null && restorecon -R /etc/mayfly /etc/passwd /etc/shadow /etc/group /etc/ssh /home
case $code,$said in
0,*problem:* | [!0]*)
  echo "$said" | grep problem: || echo "problem: $said"
  exit 1
  ;;
esac
# systemd lets nobody but root log in until it has started all (pam_nologin(8)).
[ ! -s ../access/users ] || until_true 300 test ! -e /run/nologin
cat /etc/machine-id
