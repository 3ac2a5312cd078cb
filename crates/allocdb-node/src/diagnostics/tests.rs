//! The ring's laws: oldest lines go first, losses are counted, nothing is cut within a character.

use super::*;

fn text(diagnostics: &Diagnostics, capacity: usize) -> (String, u64) {
    let mut out = vec![0; capacity];
    let (len, dropped) = diagnostics.read(&mut out);
    out.truncate(len);
    (String::from_utf8(out).expect("lines are text"), dropped)
}

#[test]
fn lines_come_out_in_order_and_once() {
    let diagnostics = Diagnostics::new(Level::Info, 1024, None);
    diagnostics.log(Level::Info, format_args!("one {}", 1));
    diagnostics.log(Level::Warning, format_args!("two"));
    assert_eq!(
        text(&diagnostics, 100),
        ("info: one 1\nwarning: two\n".into(), 0)
    );
    assert_eq!(text(&diagnostics, 100), (String::new(), 0));
}

#[test]
fn a_level_beyond_the_limit_is_not_kept() {
    let diagnostics = Diagnostics::new(Level::Warning, 1024, None);
    diagnostics.log(Level::Info, format_args!("unheard"));
    assert_eq!(text(&diagnostics, 100).0, "");
}

#[test]
fn a_full_ring_drops_the_oldest_and_counts() {
    let diagnostics = Diagnostics::new(Level::Info, 64, None);
    for number in 0..100 {
        diagnostics.log(Level::Info, format_args!("line {number:03}"));
    }
    let (lines, dropped) = text(&diagnostics, 1000);
    let kept = lines.lines().count() as u64;
    assert!(kept >= 2);
    assert_eq!(kept + dropped, 100);
    assert!(lines.ends_with("line 099\n"));
}

#[test]
fn a_read_takes_only_whole_lines() {
    let diagnostics = Diagnostics::new(Level::Info, 1024, None);
    diagnostics.log(Level::Info, format_args!("first"));
    diagnostics.log(Level::Info, format_args!("second"));
    assert_eq!(text(&diagnostics, 15).0, "info: first\n");
    assert_eq!(text(&diagnostics, 15).0, "info: second\n");
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    let long = "é".repeat(1000);
    diagnostics.log(Level::Info, format_args!("x{long}"));
    let (line, _) = text(&diagnostics, 4096);
    assert!(line.len() <= LINE_BYTES_MAX + 1);
}

#[test]
fn a_ring_of_nothing_counts_everything_as_lost() {
    let diagnostics = Diagnostics::new(Level::Info, 0, None);
    diagnostics.log(Level::Error, format_args!("lost"));
    assert_eq!(text(&diagnostics, 100), (String::new(), 1));
}
