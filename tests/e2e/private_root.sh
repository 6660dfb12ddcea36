# private_root.sh ROOT PACKAGE SHARED COMMAND...: what runs first in a private root (private_root.py), in mount and
# process namespaces of its own. Makes a file system on ROOT, in memory: the system's programs below the files of
# PACKAGE, a /etc and a /var with nothing of the system's own data, SHARED as /shared. Becomes COMMAND there.
set -eu
root=$1 package=$2 shared=$3
shift 3
# By its number outside others can enter; /proc still is the one outside.
read -r number _ </proc/self/stat

mount -t tmpfs -o mode=755,size=512m private "$root"
cd "$root"
mkdir usr etc dev proc tmp run var root shared
chmod 1777 tmp
for name in bin sbin lib lib32 lib64 libx32; do
  [ ! -L "/$name" ] || ln -s "usr/$name" "$name"
done
mount -t overlay -o "ro,lowerdir=$package/usr:/usr" programs usr
for name in etc var; do
  [ ! -d "$package/$name" ] || cp -a "$package/$name/." "$name/"
done
cp -a /etc/alternatives etc/
mkdir -p var/tmp && chmod 1777 var/tmp
ln -sfn ../run var/run
for name in null zero full random urandom; do
  : >"dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind "$shared" shared

cp -R shared/files/. .
# Not pivot_root: the tests may themselves run in a chroot, where the kernel refuses it.
exec chroot . sh -c 'echo "$0" >/shared/number.new && mv /shared/number.new /shared/number && exec "$@"' "$number" "$@"
