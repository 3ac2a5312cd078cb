//! What the kernel says of the pages of large and small allocations.

use super::*;

/// Whether the kernel was asked for huge pages at this address: `hg` among the flags of its
/// mapping; `None` where it does not tell.
fn is_advised(address: usize) -> Option<bool> {
    let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let mut is_inside = false;
    for line in maps.lines() {
        let range = line
            .split_once(' ')
            .and_then(|(range, _)| range.split_once('-'));
        if let Some((begin, end)) = range
            && let Ok(begin) = usize::from_str_radix(begin, 16)
            && let Ok(end) = usize::from_str_radix(end, 16)
        {
            is_inside = (begin..end).contains(&address);
        }
        if is_inside && let Some(flags) = line.strip_prefix("VmFlags:") {
            return Some(flags.split_whitespace().any(|flag| flag == "hg"));
        }
    }
    None
}

/// Memory of its own, in which nobody else asks for anything.
struct Mapping {
    place: *mut u8,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> Self {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at a place of the kernel's choice.
        let place = unsafe { libc::mmap(std::ptr::null_mut(), len, access, kind, -1, 0) };
        assert_ne!(place, libc::MAP_FAILED, "{len} bytes are to be had");
        let place = place.cast();
        Self { place, len }
    }

    /// Whether the kernel was asked for huge pages `offset` bytes from its beginning.
    fn is_advised(&self, offset: usize) -> bool {
        is_advised(self.place as usize + offset).expect("the kernel tells")
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody keeps a reference to it.
        let unmapped = unsafe { libc::munmap(self.place.cast(), self.len) };
        assert_eq!(unmapped, 0);
    }
}

#[test]
fn advice_is_given_for_what_is_large_and_for_nothing_beside_it() {
    // A kernel built without huge pages has no flag to show.
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return;
    }
    let third = 4 * HUGE_PAGE_BYTES;
    for skip in [0, 16, 4096, HUGE_PAGE_BYTES - 1, HUGE_PAGE_BYTES] {
        let mapping = Mapping::new(4 * third);
        advise(mapping.place.wrapping_add(third + skip), LEAST_BYTES - 1);
        assert!(!mapping.is_advised(third + skip), "{skip}: a small one");
        advise(mapping.place.wrapping_add(third + skip), third);
        assert!(mapping.is_advised(third + skip + third / 2), "{skip}");
        assert!(!mapping.is_advised(third + skip - 1), "{skip}: before it");
        assert!(!mapping.is_advised(2 * third + skip), "{skip}: behind it");
    }
    advise(std::ptr::null_mut(), third);
}

#[test]
fn what_is_allocated_is_what_the_system_allocates() {
    for len in [100, LEAST_BYTES - 1, LEAST_BYTES, 5 * LEAST_BYTES + 1] {
        let layout = Layout::from_size_align(len, 64).expect("a layout");
        let grown_len = 3 * len;
        let grown = Layout::from_size_align(grown_len, 64).expect("a layout");
        // SAFETY: sizes are not zero; each place is given to `realloc` or `dealloc` once, with the
        // layout it has then; what is read was written or zeroed.
        unsafe {
            let zeroed = HugePages.alloc_zeroed(layout);
            assert_eq!(zeroed as usize % 64, 0);
            let bytes = std::slice::from_raw_parts(zeroed, len);
            assert!(bytes.iter().all(|&byte| byte == 0), "{len}");
            let place = HugePages.alloc(layout);
            place.write_bytes(7, len);
            let place = HugePages.realloc(place, layout, grown_len);
            let bytes = std::slice::from_raw_parts(place, len);
            assert!(bytes.iter().all(|&byte| byte == 7), "{len}");
            HugePages.dealloc(place, grown);
            HugePages.dealloc(zeroed, layout);
        }
    }
}
