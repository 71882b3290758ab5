# Read by the scripts that have to wait for what the kernel, or another program, tells nobody of.

# until_true SECONDS COMMAND [ARG...]: runs the command again and again until it succeeds; fails when it has not within
# that time. By the kernel's clock: the other one jumps when a template's clone gets the host's time.
until_true() {
  local now rest deadline pause=1
  read -r now rest </proc/uptime
  deadline=$((${now%.*} + $1))
  shift
  until "$@"; do
    read -r now rest </proc/uptime
    [ "${now%.*}" -le "$deadline" ] || return 1
    sleep "0.0$pause"
    [ "$pause" = 4 ] || pause=$((pause * 2)) # 10, 20, 40 ms: what is nearly there is seen soon
  done
}
