//! The text says all that the JSON says.

use serde_json::json;

use super::*;

#[test]
fn text_and_json_say_the_same() {
    let data = json!({
        "last_lsn": 7,
        "torn": null,
        "tables": [{"table": "resources", "used": 12}, {"table": "all", "used": 5}],
        "recovery": {"kind": "wal_only", "is_clean": true},
        "names": ["one"],
    });
    let report = Report {
        exit: Exit::Damaged,
        verdict: vec!["it is damaged".to_owned()],
        data: data.as_object().expect("an object").clone(),
    };
    let text = "it is damaged\n\nlast lsn  7\ntorn      -\ntables\n  table      used\n  \
                resources  12\n  all        5\nrecovery\n  kind      wal_only\n  is clean  yes\n\
                names\n  one\n";
    assert_eq!(report.text(), text);
    assert_eq!(report.json()["exit_status"], 1);
    assert_eq!(report.json()["tables"][1]["used"], 5);
}
