//! The memory budget of a local run.

use std::path::Path;

use tidegate_ports::MemoryBudget;

/// The part of the machine's memory that a budget takes by default: one half. The rest is for the compilers, the
/// browser and the editor of the developer.
const PART: u64 = 2;
/// The budget if the memory of the machine is unknown.
const UNKNOWN: u64 = 1 << 30;

/// Returns the budget of `bytes`, or half of the memory that this process may use.
pub(crate) fn budget(bytes: Option<u64>) -> MemoryBudget {
    let bytes = bytes.unwrap_or_else(|| available().map_or(UNKNOWN, |bytes| bytes / PART));
    MemoryBudget::new(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Returns the memory of the machine, or the limit of this process's control group if that is less. Returns `None` on a
/// system without these files.
fn available() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let physical = read(Path::new("/proc/meminfo")).as_deref().and_then(physical);
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| limit(&read(Path::new(&path))?));
    physical.into_iter().chain(limits).min()
}

/// Reads the physical memory from `/proc/meminfo`.
fn physical(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// Returns the files with the limits of the control groups of `/proc/self/cgroup`, and of the groups around them.
/// Inside a container, the group of the container is at the top.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let ancestors = Path::new(group).ancestors().map(Path::to_string_lossy);
        files.extend(ancestors.map(|group| format!("{root}/{}/{file}", group.trim_matches('/'))));
    }
    files
}

/// Reads the limit of a control group. Returns `None` for a group without one.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_memory_is_in_kib() {
        assert_eq!(physical("MemFree: 1 kB\nMemTotal:        2048 kB\n"), Some(2_048 << 10));
        assert_eq!(physical("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_of_both_versions_of_control_groups_are_found() {
        let second = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup//memory.max"];
        assert_eq!(limit_files("0::/a/b\n"), second);
        let first = ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory//memory.limit_in_bytes"];
        assert_eq!(limit_files("5:cpu,memory:/a\n3:pids:/b\n"), first);
        assert_eq!((limit("1048576\n"), limit("max\n")), (Some(1 << 20), None));
    }

    #[test]
    fn the_default_is_less_than_the_machine() {
        assert!((1..usize::MAX).contains(&budget(None).limit()));
        assert_eq!(budget(Some(5)).limit(), 5);
    }
}
