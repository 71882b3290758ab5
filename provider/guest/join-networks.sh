# Gives the cards of private networks their addresses: at every boot those that are there, and on a clone of a template,
# with the seconds that one may take to appear, those that were just plugged in. Runs in the guest's root; says what went
# wrong on its standard output. None takes a neighbour for its IPv6 router because that says so.
PATH=/usr/lib/mayfly/bin
export PATH
. /usr/lib/mayfly/until-true.sh
tab=$(printf '\t')
[ -e /etc/mayfly/networks ] || exit 0

find_card() { # find_card MAC: sets card to the name that the kernel has given to it
  for file in /sys/class/net/*/address; do
    [ "$(cat "$file" 2>/dev/null)" = "$1" ] || continue
    card=${file%/address} card=${card##*/}
    return
  done
  return 1
}

# in_order: cards that were plugged in side by side have come in any order; the first network's shall be eth1, and so on, as
# after a boot. None is up yet, as a card must not be that gets another name. One whose name is taken keeps its own, as does
# one that cannot be renamed: networks work by any name.
in_order() {
  moves=
  while IFS=$tab read -r index mac address; do
    find_card "$mac"
    case $card in eth$((index + 1))) ;; eth*) moves="$moves $card:$index" ;; esac
  done </etc/mayfly/networks
  for move in $moves; do ip link set "${move%:*}" name "mayfly${move#*:}"; done
  for move in $moves; do
    [ -e "/sys/class/net/mayfly${move#*:}" ] || continue
    ip link set "mayfly${move#*:}" name "eth$((${move#*:} + 1))" || ip link set "mayfly${move#*:}" name "${move%:*}"
  done
}

while IFS=$tab read -r index mac address; do
  until_true "${1:-0}" find_card "$mac" || { echo "the card $mac of network $index is missing" && exit 1; }
done </etc/mayfly/networks
in_order >/dev/null 2>&1
while IFS=$tab read -r index mac address; do
  find_card "$mac"
  echo 0 2>/dev/null >"/proc/sys/net/ipv6/conf/$card/accept_ra" # which a kernel without IPv6 does not have
  said=$(ip addr add "$address" dev "$card" 2>&1 && ip link set "$card" up 2>&1) ||
    { echo "$card cannot have $address: $said" && exit 1; }
done </etc/mayfly/networks
