# Makes the users and keys of /etc/mayfly/access.next the ones in force, all at once: sshd reads keys through the link
# /etc/mayfly/access, and one rename moves it. A failure before that leaves everything as it was. Runs at every boot,
# and on a running guest when the program declares other users or keys.
# users: one line each, tab-separated: name uid|- groups(,)|- sudo(yes|no) shell|- home|-
PATH=/usr/lib/mayfly/bin
export PATH
tab=$(printf '\t')
cd /etc/mayfly || exit 1
[ -d access.next ] || exit 0

# replace FILE MODE: puts FILE.mayfly in the file's place.
replace() {
  chmod "$2" "$1.mayfly"
  [ "$1" != /etc/shadow ] || chgrp shadow "$1.mayfly" 2>/dev/null # Debian's unix_chkpwd reads it by its group
  mv "$1.mayfly" "$1"
}

# append FILE LINE MODE: adds the line to an account file by a rename, so that no reader sees half of it.
append() {
  { cat "$1" 2>/dev/null; echo "$2"; } >"$1.mayfly" && replace "$1" "$3"
}

# without FILE NAME MODE: removes the account's line.
without() {
  grep -v "^$2:" "$1" >"$1.mayfly"
  replace "$1" "$3"
}

free_id() {
  id=1000
  while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd || grep -q "^[^:]*:[^:]*:$id:" /etc/group; do id=$((id + 1)); done
  echo "$id"
}

add_group() { # add_group NAME [ID]
  grep -q "^$1:" /etc/group || append /etc/group "$1:x:${2:-$(free_id)}:" 644
}

join_group() { # join_group USER GROUP
  add_group "$2"
  grep -q "^$2:.*[:,]$1\(,\|\$\)" /etc/group && return
  sed "s/^\($2:[^:]*:[^:]*:\)\(..*\)\$/\1\2,$1/; s/^\($2:[^:]*:[^:]*:\)\$/\1$1/" /etc/group >/etc/group.mayfly
  replace /etc/group 644
}

add_user() {
  name=$1 uid=$2 groups=$3 sudo=$4 shell=$5 home=$6
  [ "$shell" != - ] || { shell=/bin/sh && [ -x /bin/bash ] && shell=/bin/bash; }
  [ "$home" != - ] || home=/home/$name
  if ! grep -q "^$name:" /etc/passwd; then
    [ "$uid" != - ] || uid=$(free_id)
    add_group "$name" "$uid"
    # "*" is no password; "!" would be a locked account, which some sshd refuse even with a key.
    append /etc/passwd "$name:x:$uid:$uid::$home:$shell" 644
    append /etc/shadow "$name:*:19000:0:99999:7:::" 640
    if [ ! -d "$home" ]; then
      mkdir -p "$home"
      cp -r /etc/skel/. "$home/" 2>/dev/null
    fi
    chown -R "$uid:$uid" "$home"
    chmod 700 "$home"
  fi
  old_ifs=$IFS
  IFS=,
  for group in $groups; do [ "$group" = - ] || join_group "$name" "$group"; done
  IFS=$old_ifs
  if [ "$sudo" = yes ]; then
    [ -d /etc/sudoers.d ] || { echo "problem: user $name: sudo is asked for, but the image has no sudo" && return; }
    echo "$name ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/mayfly-$name.tmp"
    chmod 440 "/etc/sudoers.d/mayfly-$name.tmp" && mv "/etc/sudoers.d/mayfly-$name.tmp" "/etc/sudoers.d/mayfly-$name"
  else
    rm -f "/etc/sudoers.d/mayfly-$name"
  fi
}

remove_user() {
  uid=$(grep "^$1:" /etc/passwd | cut -d: -f3)
  without /etc/passwd "$1" 644
  without /etc/shadow "$1" 640
  without /etc/group "$1" 644
  rm -f "/etc/sudoers.d/mayfly-$1"
  [ -n "$uid" ] || return
  for status in /proc/[0-9]*/status; do # open sessions of a removed user end with the user
    [ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "$status" 2>/dev/null)" = "$uid" ] || continue
    process=${status#/proc/}
    kill -KILL "${process%/status}" 2>/dev/null
  done
}

while IFS=$tab read -r name uid groups sudo shell home; do
  add_user "$name" "$uid" "$groups" "$sudo" "$shell" "$home"
done <access.next/users

chmod 755 /etc/mayfly access.next access.next/keys
chmod 644 access.next/keys/*
version=access.$(cat /proc/sys/kernel/random/uuid)
mv access.next "$version"
previous=$(readlink access)
ln -s "$version" access.link
mv -T access.link access || exit 1

if [ -n "$previous" ] && [ "$previous" != "$version" ]; then
  while IFS=$tab read -r name rest; do
    grep -q "^$name$tab" "$version/users" || remove_user "$name"
  done <"$previous/users"
  rm -rf "$previous"
fi
exit 0
