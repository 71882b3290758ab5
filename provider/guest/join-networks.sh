# Gives the cards of private networks their addresses: at every boot those that are there, and on a clone of a template,
# with the argument `wait`, those that were just plugged in. Runs in the guest's root; says what went wrong on its standard
# output.
PATH=/usr/lib/mayfly/bin
export PATH
tab=$(printf '\t')
[ -e /etc/mayfly/networks ] || exit 0

card_with() { # card_with MAC: the name that the kernel has given to the card
  for file in /sys/class/net/*/address; do
    [ "$(cat "$file" 2>/dev/null)" = "$1" ] || continue
    file=${file%/address}
    echo "${file##*/}"
  done
}

while IFS=$tab read -r index mac address; do
  tries=0
  until card=$(card_with "$mac") && [ -n "$card" ]; do
    tries=$((tries + 1))
    [ "$1" = wait ] && [ $tries -lt 500 ] || { echo "the card $mac of network $index is missing" && exit 1; }
    sleep 0.02
  done
  said=$(ip addr add "$address" dev "$card" 2>&1 && ip link set "$card" up 2>&1) ||
    { echo "$card cannot have $address: $said" && exit 1; }
done </etc/mayfly/networks
