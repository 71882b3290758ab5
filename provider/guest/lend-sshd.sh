# Makes room in an image without an SSH server for the one that is lent to it: rules of its own for sshd and PAM, the
# accounts and the shell that a login needs. Runs in the guest's root before its init does, at every boot. What the image
# has stays as it is.
PATH=/usr/lib/mayfly/bin
export PATH

[ -x /bin/sh ] || { mkdir -p /bin && ln -sf /usr/lib/mayfly/bin/sh /bin/sh; }

for file in /etc/passwd /etc/group; do
  touch $file
  [ -z "$(tail -c 1 $file)" ] || echo >>$file # its last line has no end
done
grep -q '^root:' /etc/passwd || sed -i '1{h;s/.*/root:x:0:0:root:\/root:\/bin\/sh/;p;g}' /etc/passwd
[ -s /etc/passwd ] || echo "root:x:0:0:root:/root:/bin/sh" >/etc/passwd
grep -q '^root:' /etc/group || echo "root:x:0:" >>/etc/group
# Images that nobody is to log in to give root no shell; whoever may log in here has a key from the program.
shell=$(sed -n 's/^root:.*://p' /etc/passwd)
case $shell in
*/nologin | */false) ;;
*) [ -x "$shell" ] && shell= ;;
esac
[ -z "$shell" ] || sed -i 's/^\(root:.*:\).*/\1\/bin\/sh/' /etc/passwd
mkdir -p -m 700 "$(sed -n 's/^root:.*:\([^:]*\):[^:]*$/\1/p' /etc/passwd)"

mkdir -p -m 755 /etc/sshd # the empty folder of the lent sshd: see provider/images/lent-parts.ts
if ! grep -q '^sshd:' /etc/passwd; then # it runs the part that talks to who is not yet known
  id=990
  while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd; do id=$((id - 1)); done
  echo "sshd:x:$id:65534::/etc/sshd:/bin/false" >>/etc/passwd
fi

cd /etc/mayfly || exit 1
cat sshd_config - >sshd_config.lent <<'RULES'
Subsystem sftp internal-sftp
AcceptEnv LANG LC_*
PrintMotd no
PrintLastLog no
# For /etc/environment; the rules are /etc/pam.d/mayfly-sshd, as the program is called.
UsePAM yes
RULES
mkdir -p /etc/pam.d
modules=/usr/lib/mayfly/ssh/security
cat >/etc/pam.d/mayfly-sshd <<RULES
auth required $modules/pam_permit.so
account required $modules/pam_permit.so
password required $modules/pam_permit.so
session required $modules/pam_env.so readenv=1 envfile=/etc/environment conffile=/dev/null
RULES
