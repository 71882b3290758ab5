# Has the guest's clock follow its real-time clock, which goes as the host's clock does (QEMU's `-rtc clock=host`, its
# default). The two part when the guest has stood still while time went on, as its host was suspended or qemu stopped, and
# little by little, as an emulated CPU counts its time only as exactly as it was measured at boot. Nothing else would bring
# them together: the kernel reads the real-time clock once, at boot, and an NTP client needs a way out, and to be there.
#
# A clock that somebody sets, by hand or by NTP, is theirs: only one that went with the real-time clock at the last look,
# and has gone on at its own pace since, follows it. Started by agent.sh, once the machine has its identity.
PATH=/usr/lib/mayfly/bin
export PATH
LOOK_SECONDS=15
MOST=2 # seconds between the two; each is told in whole ones
hardware=/sys/class/rtc/rtc0/since_epoch
[ -r "$hardware" ] || exit 0 # a kernel without a driver for it

# look: sets clock, rtc and up, the kernel's own count of seconds, as of one moment.
look() {
  local later rest
  while :; do
    read -r up rest </proc/uptime
    clock=$(date +%s)
    read -r rtc <"$hardware" || exit 0
    read -r later rest </proc/uptime
    up=${up%.*}
    [ $((${later%.*} - up)) -gt 1 ] || return # else it was kept from looking, and looks once more
  done
}

near() { # near A B
  local gap=$(($1 - $2))
  [ ${gap#-} -le $MOST ]
}

look
while :; do
  pace=$((clock - up)) is_with=
  ! near $clock $rtc || is_with=yes
  sleep $LOOK_SECONDS
  look
  [ -n "$is_with" ] && near $((clock - up)) $pace && ! near $clock $rtc || continue
  date -s "@$rtc" >/dev/null || continue
  echo "mayfly: the clock was $((rtc - clock)) s behind the host's, and has been set" >/dev/kmsg
  clock=$rtc
done
