# One program of the benchmark: workload.sh NAME ARGUMENT…
BB=$T/busybox
name=$1
shift
repeat() { n=$1; shift; while [ "$n" -gt 0 ]; do "$@"; n=$((n - 1)); done; }
case $name in
sha256) "$BB" dd if=/dev/zero bs=1M count="$1" 2>/dev/null | "$BB" sha256sum ;;
md5) "$BB" dd if=/dev/zero bs=1M count="$1" 2>/dev/null | "$BB" md5sum ;;
gzip) repeat "$1" "$BB" cat "$BB" | "$BB" gzip -1 -c | "$BB" wc -c ;;
gunzip) repeat "$1" "$BB" cat busybox.gz | "$BB" gzip -d -c | "$BB" wc -c ;;
shell) i=0; while [ $i -lt "$1" ]; do i=$((i + 1)); done; echo $i ;;
sort)
  "$BB" awk -v n="$1" 'BEGIN { x = 12345; for (i = 0; i < n; i++) { x = (x * 1103 + 12345) % 1000003; print x } }' |
    "$BB" sort -n | "$BB" md5sum
  ;;
working-set) exec "$T/working-set" "$@" ;;
*) exec "$T/programs" "$name" "$@" ;;
esac
