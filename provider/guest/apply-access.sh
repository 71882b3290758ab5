# Makes the users and keys of /etc/mayfly/access.next the ones in force, all at once: sshd reads keys through the link
# /etc/mayfly/access, and one rename moves it. A failure before that leaves everything as it was. Runs at every boot,
# and on a running guest when the program declares other users or keys.
# users: one line each, tab-separated: name uid groups(,)|- sudo(yes|no) shell|- home|-
# uid with a "?" behind it: another one will do where it is taken.
# A line "problem: …" on its output is a declaration that cannot be met.
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

leave_group() { # leave_group USER GROUP
  sed "/^$2:/{ s/\([:,]\)$1,/\1/; s/,$1\$//; s/:$1\$/:/; }" /etc/group >/etc/group.mayfly
  replace /etc/group 644
}

# account NAME FIELD [VALUE]: a field of the user's line in /etc/passwd; with a value, sets it.
account() {
  if [ $# = 2 ]; then
    grep "^$1:" /etc/passwd | cut -d: -f"$2"
  elif [ "$(account "$1" "$2")" != "$3" ]; then
    awk -F: -v OFS=: -v name="$1" -v field="$2" -v value="$3" '$1 == name { $field = value } 1' \
      /etc/passwd >/etc/passwd.mayfly && replace /etc/passwd 644
  fi
}

make_home() { # make_home DIRECTORY UID
  [ -d "$1" ] || { mkdir -p "$1" && cp -r /etc/skel/. "$1/" 2>/dev/null; }
  chown -R "$2:$2" "$1"
  chmod 700 "$1"
}

new_user() { # new_user NAME UID SHELL|- HOME|-
  uid=${2%\?} shell=$3 home=$4
  [ "$shell" != - ] || { shell=/bin/sh && [ -x /bin/bash ] && shell=/bin/bash; }
  [ "$home" != - ] || home=/home/$1
  if grep -q "^[^:]*:[^:]*:$uid:" /etc/passwd; then
    [ "$uid" != "$2" ] || { echo "problem: user $1: the id $uid belongs to another user of the guest" && return 1; }
    uid=$(free_id)
  fi
  add_group "$1" "$uid"
  # "*" is no password; "!" would be a locked account, which some sshd refuse even with a key.
  append /etc/passwd "$1:x:$uid:$uid::$home:$shell" 644
  append /etc/shadow "$1:*:19000:0:99999:7:::" 640
  make_home "$home" "$uid"
}

same_user() { # same_user NAME UID SHELL|- HOME|-: one that the image has, or that was declared before
  uid=$(account "$1" 3)
  [ "$uid" = "${2%\?}" ] || [ "$2" != "${2%\?}" ] ||
    { echo "problem: user $1: has the id $uid already, not $2" && return 1; }
  [ "$3" = - ] || account "$1" 7 "$3"
  [ "$4" = - ] || [ "$4" = "$(account "$1" 6)" ] || { account "$1" 6 "$4" && make_home "$4" "$uid"; }
}

add_user() { # add_user NAME UID GROUPS SUDO SHELL HOME
  if [ -n "$(account "$1" 3)" ]; then same_user "$1" "$2" "$5" "$6"; else new_user "$1" "$2" "$5" "$6"; fi || return
  for group in $(echo "$3" | tr ',' ' '); do [ "$group" = - ] || join_group "$1" "$group"; done
  rule=/etc/sudoers.d/mayfly-$1
  if [ "$4" = yes ]; then
    [ -d /etc/sudoers.d ] || { echo "problem: user $1: sudo is asked for, but the image has no sudo" && return; }
    echo "$1 ALL=(ALL) NOPASSWD: ALL" >"$rule.tmp"
    chmod 440 "$rule.tmp" && mv "$rule.tmp" "$rule"
  else
    rm -f "$rule"
  fi
}

# leave_groups NAME GROUPS: leaves those of the groups, declared until now, that are not declared any more.
leave_groups() {
  wanted=$(grep "^$1$tab" "$version/users" | cut -f3)
  for group in $(echo "$2" | tr ',' ' '); do
    case ",$wanted," in *",$group,"*) ;; *) leave_group "$1" "$group" ;; esac
  done
}

remove_user() {
  uid=$(account "$1" 3)
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
  while IFS=$tab read -r name uid groups rest; do
    leave_groups "$name" "$groups"
    grep -q "^$name$tab" "$version/users" || remove_user "$name"
  done <"$previous/users"
  rm -rf "$previous"
fi
exit 0
