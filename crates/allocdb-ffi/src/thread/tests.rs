//! Panics inside and outside of a call.

use std::panic::catch_unwind;

use super::{call_back, catch, install_panic_hook, is_in_callback};

#[test]
fn a_panic_inside_a_call_becomes_its_text_with_its_place() {
    install_panic_hook();
    let number = 7;
    let note = catch(|| panic!("lost {number}")).expect_err("it panicked");
    let text = note.text();
    assert!(
        text.contains("tests.rs:") && text.ends_with("lost 7"),
        "{text}"
    );
}

#[test]
fn a_panic_outside_of_a_call_goes_to_the_hook_before_ours() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SEEN: AtomicU32 = AtomicU32::new(0);
    install_panic_hook();
    let ours = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        SEEN.fetch_add(1, Ordering::Relaxed);
        ours(info);
    }));
    assert!(catch_unwind(|| panic!("the host's own")).is_err());
    let during_callback = catch(|| call_back(|| assert!(catch_unwind(|| panic!("too")).is_err())));
    assert!(during_callback.is_ok());
    assert!(SEEN.load(Ordering::Relaxed) >= 2);
}

#[test]
fn the_callback_is_known_only_while_it_runs() {
    assert!(!is_in_callback());
    call_back(|| assert!(is_in_callback()));
    assert!(!is_in_callback());
}

#[test]
fn a_text_beyond_the_note_is_cut_at_a_character() {
    install_panic_hook();
    let long = "ü".repeat(1000);
    let note = catch(|| panic!("{long}")).expect_err("it panicked");
    assert!(note.text().ends_with('ü'));
    assert!(note.text().len() <= super::NOTE_BYTES);
}
