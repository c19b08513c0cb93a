//! On what a directory lies: a file system over the network holds no locks and maps no memory that other hosts keep to, and
//! its fsync may mean little.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// As the kernel names them; of those in user space (`fuse.…`) the ones that lead to another host.
const NETWORK: [&str; 31] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.ceph",
    "fuse.curlftpfs",
    "fuse.davfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.goofys",
    "fuse.juicefs",
    "fuse.mount-s3",
    "fuse.mountpoint-s3",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.smbnetfs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
    "smbfs",
    "vboxsf",
];

/// The kind of file system below `dir` where it is one over the network. What cannot be told is taken for a local one.
pub(super) fn network_kind(dir: &Path) -> Option<&'static str> {
    let device = dir.metadata().ok()?.dev();
    kind_of(&fs::read_to_string("/proc/self/mountinfo").ok()?, device)
}

/// A line is `36 35 98:0 /root /mount options … - kind source options`.
fn kind_of(mounts: &str, device: u64) -> Option<&'static str> {
    let numbers = format!("{}:{}", major(device), minor(device));
    let kind = mounts.lines().rev().find_map(|line| {
        let (mount, told) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == numbers).then(|| told.split(' ').next())?
    })?;
    NETWORK.into_iter().find(|network| *network == kind)
}

/// A device's number holds both parts, each in two pieces.
fn major(device: u64) -> u64 {
    (device >> 8) & 0xfff | (device >> 32) & !0xfff
}

fn minor(device: u64) -> u64 {
    device & 0xff | (device >> 12) & 0xffff_ff00
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
23 22 0:22 / /srv/mail rw,nosuid - nfs4 files:/mail rw,vers=4.2
24 22 0:45 /a\\040- /mnt/a\\040b rw shared:2 master:1 - fuse.sshfs me@host:/ rw,user_id=0
25 22 0:46 / /mnt/c rw - fuse.mergerfs 1:2 rw
26 22 0:47 / /mnt/d rw - cifs //host/share rw
27 22 0:291 / /mnt/e rw - 9p tag rw
";

    #[test]
    fn a_network_file_system_is_told_by_its_name() {
        let device = |major: u64, minor: u64| (major << 8) | (minor & 0xff) | ((minor & !0xff) << 12);
        let kind = |major, minor| kind_of(MOUNTS, device(major, minor));
        assert_eq!([kind(254, 1), kind(0, 46), kind(8, 1)], [None, None, None]);
        let network = [kind(0, 22), kind(0, 45), kind(0, 47), kind(0, 291)];
        assert_eq!(network, [Some("nfs4"), Some("fuse.sshfs"), Some("cifs"), Some("9p")]);
    }

    /// The numbers of a device are read as the kernel writes them.
    #[test]
    fn a_directory_finds_its_own_mount() {
        let device = Path::new("/proc").metadata().unwrap().dev();
        let own = format!("{}:{}", major(device), minor(device));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&own)).unwrap();
        assert!(line.contains(" - proc "), "{line}");
    }
}
