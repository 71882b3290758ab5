# Has the guest's systemd start the units that its identity has brought: at a boot before systemd is there, on a template's
# clone while it runs. Runs in the guest's root; says what went wrong on its standard output.
#
# /etc/mayfly/units: empty where there are none; else those to be enabled and started, one a line, and an empty line.
[ -s /etc/mayfly/units ] || exit 0
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
command -v systemctl >/dev/null || { echo "the image has no systemd, which systemdUnits need" && exit 1; }
runs_systemd=
[ ! -S /run/systemd/private ] || runs_systemd=yes
[ -z "$runs_systemd" ] || systemctl daemon-reload || exit 1
# Unquoted: names of units have no blanks. Their own errors are in the journal, where one looks for them.
set -- $(cat /etc/mayfly/units)
[ $# -gt 0 ] || exit 0
said=$(systemctl enable "$@" 2>&1) || { echo "systemctl enable: $said" && exit 1; }
[ -z "$runs_systemd" ] || systemctl start --no-block "$@"
