# Runs what the host asks for, in a guest and on the host alike. Each line read is a program and its arguments.
# $T: an empty folder in memory. The current folder has a static busybox and the benchmark's files.
# Every run gets copies of its programs, in pages of their own, so that each pays for its own translation.
trap : INT
if [ -t 0 ]; then ./busybox stty -echo -opost; fi
echo READY
while read -r name arguments; do
  ./busybox rm -rf "$T"
  ./busybox mkdir -p "$T"
  for file in busybox programs working-set; do ./busybox cp "$file" "$T/$file"; done
  ./stopwatch "$name" "$T/busybox" sh ./workload.sh "$name" $arguments
done
