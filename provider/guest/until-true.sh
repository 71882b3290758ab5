# Read by the scripts that have to wait for what the kernel, or another program, tells nobody of.

# pause HUNDREDTHS: less than ten of them. By the shell itself, which waits at a pipe into which nobody writes: under emulation
# a fifth of a boot's CPU went into starting `sleep` again and again. Where there is no such pipe, or the shell knows no parts
# of a second (dash does not, busybox's only if built so), by that program all the same.
silence=/etc/mayfly/silence
pause() {
  if [ -p "$silence" ]; then
    read -r -t "0.0$1" nothing <>"$silence" 2>/dev/null
    case $? in 1 | 142) return 0 ;; esac # its time is over, as busybox's shell says and as bash does
  fi
  sleep "0.0$1"
}

# until_true SECONDS COMMAND [ARG...]: runs the command again and again until it succeeds; fails when it has not within
# that time. By the kernel's clock: the other one jumps when a template's clone gets the host's time.
until_true() {
  local now rest deadline next=1
  read -r now rest </proc/uptime
  deadline=$((${now%.*} + $1))
  shift
  until "$@"; do
    read -r now rest </proc/uptime
    [ "${now%.*}" -le "$deadline" ] || return 1
    pause $next
    [ $next = 4 ] || next=$((next * 2)) # 10, 20, 40 ms: what is nearly there is seen soon
  done
}
