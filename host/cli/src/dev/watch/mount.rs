//! File systems on which a change may not be notified.
//!
//! The kernel notifies a watch of the changes that are made through this machine's mount. A change on the other side of
//! a network or FUSE file system, or in a lower layer of an overlay, arrives without a notification.

use std::path::Path;

/// The file systems with changes that are not notified, by the magic number of `statfs(2)`.
const SILENT: [(u32, &str); 19] = [
    (0x0000_517b, "SMB"),
    (0x0000_564c, "NCP"),
    (0x0000_6969, "NFS"),
    (0x00c0_ffee, "hostfs"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0x5346_414f, "AFS"),
    (0x6573_5546, "FUSE"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "VirtualBox"),
    (0x794c_7630, "overlay"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
];

/// Returns the kind of the file system of `folder` if a change on it may not be notified.
pub(crate) fn silent(folder: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    // Some systems extend the sign of the 32 bits.
    name(u32::try_from(kind & 0xffff_ffff).ok()?)
}

fn name(kind: u32) -> Option<&'static str> {
    SILENT.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_and_layered_file_systems_are_silent_and_local_ones_are_not() {
        for (kind, expected) in [
            (0x6573_5546, Some("FUSE")),
            (0x6969, Some("NFS")),
            (0x0102_1997, Some("9P")),
            (0x794c_7630, Some("overlay")),
            (0xff53_4d42, Some("CIFS")),
            // ext4, tmpfs, XFS, Btrfs, ZFS.
            (0xef53, None),
            (0x0102_1994, None),
            (0x5846_5342, None),
            (0x9123_683e, None),
            (0x2fc1_2fc1, None),
        ] {
            assert_eq!(name(kind), expected, "{kind:x}");
        }
        assert!(SILENT.is_sorted());
        assert_eq!(silent(Path::new("/dev/shm")), None);
        assert_eq!(silent(Path::new("/does/not/exist")), None);
    }
}
