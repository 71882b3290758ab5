# Makes the users and keys of /etc/mayfly/access.next the ones in force, all at once: sshd reads keys through the link
# /etc/mayfly/access, and one rename moves it. Until then those log in who did before, from then on those declared now;
# accounts that are not needed any more go after it. Whatever ends this half-way, the next run makes good. Runs at every
# boot, and on a running guest when the program declares other users or keys.
#
# A key opens a door, it does not hold it: a session that is open stays open when its key goes. It ends when the user is
# removed, with all that the user runs, and when the account has no key left at all (root's with `rootLogin: false`). An
# account that the image has is not ours to remove, nor is what it runs: that one loses its keys, what was declared for it,
# and its sessions. Those that are ours, and their groups, are in the file "made": `user NAME`, `group NAME`.
#
# users: one line each, tab-separated: name uid groups(,)|- sudo(yes|no) shell|- home|-
# uid with a "?" behind it: another one will do where it is taken.
# A line "problem: …" on its output is a declaration that cannot be met.
PATH=/usr/lib/mayfly/bin:/usr/sbin:/usr/bin:/sbin:/bin # a guest on a disk of its own has the latter only
export PATH
tab=$(printf '\t')
cd /etc/mayfly || exit 1
[ -d access.next ] || exit 0

problem() {
  echo "problem: $*"
  failed=yes
}

# rewrite FILE MODE PROGRAM [ARG...]: puts what the program makes of an account file in its place, by a rename, so that
# no reader sees half of it. Through cat, which is the one of busybox's programs here that notices a full disk.
rewrite() {
  file=$1 mode=$2
  shift 2
  cat "$file" 2>/dev/null | "$@" | cat >"$file.mayfly" || return
  chmod "$mode" "$file.mayfly"
  [ "$file" != /etc/shadow ] || chgrp shadow "$file.mayfly" 2>/dev/null # Debian's unix_chkpwd reads it by its group
  mv "$file.mayfly" "$file"
}

with_line() { # with_line LINE: its input and the line
  cat
  echo "$1"
}

has_id() { # has_id passwd|group ID: whether one has it, also of those that an image keeps beside its own programs (nss-altfiles)
  grep -qs "^[^:]*:[^:]*:$2:" "/etc/$1" "/usr/lib/$1"
}

free_id() { # one that nobody has, and nobody has declared
  id=1000
  while has_id passwd "$id" || has_id group "$id" || grep -q "^[^$tab]*$tab$id$tab" "$version/users"; do
    id=$((id + 1))
  done
  echo "$id"
}

add_group() { # add_group NAME [ID]
  ! grep -q "^$1:" /etc/group || return 0
  line=$(grep -s "^$1:" /usr/lib/group) # the same group, as usermod(8) would have it here
  rewrite /etc/group 644 with_line "${line:-$1:x:${2:-$(free_id)}:}"
}

join_group() { # join_group USER GROUP
  add_group "$2"
  grep -q "^$2:.*[:,]$1\(,\|\$\)" /etc/group && return
  rewrite /etc/group 644 sed "s/^\($2:[^:]*:[^:]*:\)\(..*\)\$/\1\2,$1/; s/^\($2:[^:]*:[^:]*:\)\$/\1$1/"
}

leave_group() { # leave_group USER GROUP
  rewrite /etc/group 644 sed "/^$2:/{ s/\([:,]\)$1,/\1/; s/,$1\$//; s/:$1\$/:/; }"
}

# account NAME FIELD [VALUE]: a field of the user's line in /etc/passwd; with a value, sets it.
account() {
  if [ $# = 2 ]; then
    grep "^$1:" /etc/passwd | cut -d: -f"$2"
  elif [ "$(account "$1" "$2")" != "$3" ]; then
    rewrite /etc/passwd 644 awk -F: -v OFS=: -v name="$1" -v field="$2" -v value="$3" '$1 == name { $field = value } 1'
  fi
}

# make_home DIRECTORY UID GID: a folder that is there is left alone, as useradd(8) does: it may be a service's, or a mount of
# the host's. But a mount below /home/NAME has made that one, for root.
make_home() {
  if [ -d "$1" ]; then
    case $1,$(stat -c %u "$1") in
    /home/*/*) ;;
    /home/*,0) [ "$(stat -c %d "$1")" != "$(stat -c %d "$1/..")" ] || chown "$2:$3" "$1" ;;
    esac
    return 0
  fi
  mkdir -p "${1%/*}/" && rm -rf "$1.mayfly" && mkdir -m 700 "$1.mayfly" || return
  cp -r /etc/skel/. "$1.mayfly/" 2>/dev/null
  chown -R "$2:$3" "$1.mayfly" && mv "$1.mayfly" "$1"
}

# check_user NAME UID SUDO: says what cannot be met, before anything is changed.
check_user() {
  uid=$(account "$1" 3)
  case $uid,$2 in
  *\? | "${2%\?}",*) ;;
  ,*) ! has_id passwd "$2" || problem "user $1: the id $2 belongs to another user of the guest" ;;
  *) problem "user $1: has the id $uid already, not $2" ;;
  esac
  [ "$3" = no ] || [ -d /etc/sudoers.d ] || problem "user $1: sudo is asked for, but the image has no sudo"
}

note() { # note KIND NAME: that it is ours, before it is made
  is_ours "$1" "$2" || rewrite made 644 with_line "$1 $2"
}

is_ours() { # is_ours KIND NAME
  grep -qx "$1 $2" made 2>/dev/null
}

# note_old: in the first run of this version of the script, those whose lines are as all versions have written them. Who has
# changed a password since is taken for the image's: what is left too much does less harm than what is gone.
note_old() {
  [ ! -e made ] || return 0
  for users in access.*/users; do
    [ $users != access.next/users ] || continue
    while IFS=$tab read -r name rest; do
      grep -qxF "$name:*:19000:0:99999:7:::" /etc/shadow || continue
      echo "user $name"
      ! grep -q "^$name:x:$(account "$name" 3):" /etc/group || echo "group $name"
    done <"$users"
  done | sort -u >made.next && mv made.next made
}

new_user() { # new_user NAME UID SHELL|- HOME|-
  uid=${2%\?} shell=$3 home=$4
  [ "$shell" != - ] || { shell=/bin/sh && [ -x /bin/bash ] && shell=/bin/bash; }
  [ "$home" != - ] || home=/home/$1
  ! has_id passwd "$uid" || uid=$(free_id)
  gid=$uid
  ! has_id group "$gid" || gid=$(free_id)
  note user "$1" || return
  grep -q "^$1:" /etc/group || { note group "$1" && add_group "$1" "$gid"; } || return
  gid=$(grep "^$1:" /etc/group | cut -d: -f3)
  # "*" is no password; "!" would be a locked account, which some sshd refuse even with a key.
  rewrite /etc/passwd 644 with_line "$1:x:$uid:$gid::$home:$shell" || return
  rewrite /etc/shadow 640 with_line "$1:*:19000:0:99999:7:::" || return
  make_home "$home" "$uid" "$gid"
}

same_user() { # same_user NAME SHELL|- HOME|-: one that the image has, or that was declared before
  [ "$2" = - ] || account "$1" 7 "$2"
  [ "$3" = - ] || [ "$3" = "$(account "$1" 6)" ] || { account "$1" 6 "$3" && make_home "$3" "$(account "$1" 3)" "$(account "$1" 4)"; }
}

add_user() { # add_user NAME UID GROUPS SUDO SHELL HOME
  if [ -n "$(account "$1" 3)" ]; then same_user "$1" "$5" "$6"; else new_user "$1" "$2" "$5" "$6"; fi || return
  for group in $(echo "$3" | tr ',' ' '); do [ "$group" = - ] || join_group "$1" "$group" || return; done
  rule=/etc/sudoers.d/mayfly-$1
  if [ "$4" = yes ]; then
    echo "$1 ALL=(ALL) NOPASSWD: ALL" >"$rule.tmp" && chmod 440 "$rule.tmp" && mv "$rule.tmp" "$rule"
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

remove_user() { # remove_user NAME
  rm -f "/etc/sudoers.d/mayfly-$1"
  if ! is_ours user "$1"; then
    log_out "$1"
    return
  fi
  uid=$(account "$1" 3)
  rewrite /etc/passwd 644 sed "/^$1:/d"
  rewrite /etc/shadow 640 sed "/^$1:/d"
  ! is_ours group "$1" || rewrite /etc/group 644 sed "/^$1:/d"
  [ -z "$uid" ] || end_all "$uid"
  rewrite made 644 sed "/^[a-z]* $1\$/d"
}

end_all() { # end_all UID: all that the user runs
  for round in 1 2 3 4 5; do # what forks while we look is found in the next round
    found=
    for status in /proc/[0-9]*/status; do
      [ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "$status" 2>/dev/null)" = "$1" ] || continue
      process=${status#/proc/} found=yes
      kill -KILL "${process%/status}" 2>/dev/null
    done
    [ -n "$found" ] || return
  done
}

tree() { # tree PID: the process and all that it has started and that still belongs to it
  echo "$1"
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do tree "$child"; done
}

# What has started this, up to the first process: over SSH, the session that it runs in.
own=" "
process=$$
while [ "${process:-0}" -gt 1 ]; do
  own="$own$process "
  process=$(sed -n 's/^PPid:\t//p' "/proc/$process/status")
done

# log_out NAME: ends the account's SSH sessions, which sshd names so in its processes, and what runs in them. But for the
# one that this runs in, which ends by itself.
log_out() {
  for line in /proc/[0-9]*/cmdline; do
    process=${line#/proc/} title=
    case $own in *" ${process%/cmdline} "*) continue ;; esac
    read -r title 2>/dev/null <"$line"
    case $title in
    "sshd: $1@"* | "sshd-session: $1@"* | "mayfly-sshd: $1@"*) kill -KILL $(tree "${process%/cmdline}") 2>/dev/null ;;
    esac
  done
}

failed=
while IFS=$tab read -r name uid groups sudo rest; do
  check_user "$name" "$uid" "$sudo"
done <access.next/users
[ -z "$failed" ] || exit 1

note_old || exit 1
chmod 755 /etc/mayfly access.next access.next/keys
chmod 644 access.next/keys/*
version=access.$(cat /proc/sys/kernel/random/uuid)
mv access.next "$version" || exit 1
while IFS=$tab read -r name uid groups sudo shell home; do
  add_user "$name" "$uid" "$groups" "$sudo" "$shell" "$home" || { echo "problem: user $name cannot be made" && exit 1; }
done <"$version/users"

rm -f access.link # of a run that was ended here: ln would put the new link into the old one's folder
ln -s "$version" access.link && mv -T access.link access || exit 1

# Not only the last set: also one that a run was ended with. The first one has another kind of name: helper/identity.h on a
# template's clone, machines/disk/door.ts on a disk.
had_others=
for old in access.*; do
  [ "$old" != "$version" ] || continue
  had_others=yes
  while IFS=$tab read -r name uid groups rest; do
    leave_groups "$name" "$groups"
    grep -q "^$name$tab" "$version/users" || remove_user "$name"
  done <"$old/users"
  rm -rf "$old"
done
if [ -n "$had_others" ]; then # there may be sessions
  for keys in access/keys/*; do
    [ -s "$keys" ] || log_out "${keys##*/}"
  done
fi
exit 0
