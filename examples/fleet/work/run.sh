# This node's part of the work: every COUNT-th number from INDEX on.
set -eu
sum=0
number=$INDEX
while [ "$number" -le 1000 ]; do
  sum=$((sum + number))
  number=$((number + COUNT))
done
echo "$(hostname): $sum"
