//! The programs around the fuzz targets of [`allocdb_testing::fuzz`], one for each.
//!
//! With the feature `libfuzzer` a program is a libFuzzer of its own: it changes inputs, guided by
//! the code that they reach, for as long as it is told. The coverage counters come from the stable
//! compiler's own LLVM pass, which `scripts/torture/fuzz.sh` switches on for the crates of this
//! workspace alone. Without the feature a program tries the files and directories that it is given,
//! once: how an input that was found is repeated under a debugger, on any machine.
//!
//! Leaks and memory sized by damaged input are looked for in every run: all memory of the target
//! goes through an allocator that counts, and none of the fuzzer's, which is C++, does. What a run
//! leaves behind it must not leave again, and no piece is greater than the target's bound. So no
//! sanitizer is needed for that, at a fifth of the speed; there is a mode with one all the same.
//! Rejected: cargo-fuzz, a program to install that adds flags to a build.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use allocdb_core::canary;
use allocdb_testing::fuzz::Target;

/// Set to anything: the target's bug is planted, and must be found.
pub const CANARY_VARIABLE: &str = "ALLOCDB_FUZZ_CANARY";
/// Set to a directory: the inputs that the target starts from are written there, and that is all.
pub const SEEDS_VARIABLE: &str = "ALLOCDB_FUZZ_SEEDS";

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// And the clock is asked once in so many runs.
const RUNS_PER_LOOK: u64 = 256;

/// Makes a program of a target.
#[macro_export]
macro_rules! program {
    ($target:path) => {
        #[cfg(feature = "libfuzzer")]
        mod entry {
            /// Called by libFuzzer before the first run.
            // SAFETY: the one function of this name in the program, with libFuzzer's signature.
            #[unsafe(no_mangle)]
            extern "C" fn LLVMFuzzerInitialize(_: *mut i32, _: *mut *mut *mut u8) -> i32 {
                $crate::begin(&$target);
                0
            }

            /// Called for every run, by way of libfuzzer-sys.
            // SAFETY: the one function of this name in the program, as libfuzzer-sys declares it.
            #[unsafe(no_mangle)]
            extern "Rust" fn rust_fuzzer_test_input(data: &[u8]) -> i32 {
                $crate::run(&$target, data);
                0
            }
        }

        #[cfg(not(feature = "libfuzzer"))]
        fn main() -> std::process::ExitCode {
            $crate::replay(&$target)
        }
    };
}

#[cfg(feature = "libfuzzer")]
use libfuzzer_sys as _;

// ---- one run

std::thread_local! {
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
    static TOLD_AT: Cell<Option<Instant>> = const { Cell::new(None) };
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Prepares a program: buffers that are kept are made, panics end it, and the bug is planted.
pub fn begin(target: &Target) {
    if let Some(directory) = env::var_os(SEEDS_VARIABLE) {
        let written = write_seeds(target, Path::new(&directory));
        written.expect("the directory can be written");
        std::process::exit(0);
    }
    for seed in (target.seeds)() {
        (target.run)(&seed);
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        // Before anything is unwound: libFuzzer keeps the input and shows this stack.
        std::process::abort();
    }));
    if env::var_os(CANARY_VARIABLE).is_some() {
        // For good: the program ends with its finding.
        core::mem::forget(canary::plant(target.canary));
    }
    let now = Instant::now();
    BEGUN.set(Some(now));
    TOLD_AT.set(Some(now));
}

/// Tries one input.
pub fn run(target: &Target, data: &[u8]) {
    if leaves_memory(target, data) {
        // A buffer that is kept may have grown; it has not got to grow again.
        assert!(
            !leaves_memory(target, data),
            "a leak: memory is left behind, twice"
        );
    }
    let runs = RUNS.get() + 1;
    RUNS.set(runs);
    if runs.is_multiple_of(RUNS_PER_LOOK) {
        tell(runs);
    }
}

fn leaves_memory(target: &Target, data: &[u8]) -> bool {
    let before = LIVE.get();
    LARGEST.set(0);
    (target.run)(data);
    let largest = LARGEST.get();
    assert!(
        largest <= target.allocation_bytes_max,
        "{largest} bytes were asked for at once, at most {} may be",
        target.allocation_bytes_max
    );
    LIVE.get() > before
}

fn tell(runs: u64) {
    let now = Instant::now();
    let is_due = TOLD_AT
        .get()
        .is_some_and(|told_at| now.duration_since(told_at) >= TELL_EVERY);
    if is_due {
        TOLD_AT.set(Some(now));
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "progress {runs}").and_then(|()| out.flush());
    }
}

// ---- inputs in files

fn write_seeds(target: &Target, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        fs::write(directory.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}

/// Tries the files that are named on the command line, and those in the directories, once.
#[must_use]
pub fn replay(target: &Target) -> std::process::ExitCode {
    begin(target);
    let mut count = 0;
    for argument in env::args_os().skip(1) {
        if let Err(error) = replay_path(target, Path::new(&argument), &mut count) {
            eprintln!("{}: {error}", Path::new(&argument).display());
            return std::process::ExitCode::from(2);
        }
    }
    println!("{count} inputs tried, nothing found");
    std::process::ExitCode::SUCCESS
}

fn replay_path(target: &Target, path: &Path, count: &mut u64) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            replay_path(target, &entry?.path(), count)?;
        }
        return Ok(());
    }
    let data = fs::read(path)?;
    println!("trying {}", path.display());
    run(target, &data);
    *count += 1;
    Ok(())
}

// ---- memory

std::thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted by thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

impl Counting {
    fn take(size: usize) {
        LIVE.set(LIVE.get().wrapping_add(size));
        LARGEST.set(LARGEST.get().max(size));
    }

    fn give_back(size: usize) {
        LIVE.set(LIVE.get().wrapping_sub(size));
    }
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments. Counting
// touches cells without a destructor, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::give_back(layout.size());
        Self::take(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
