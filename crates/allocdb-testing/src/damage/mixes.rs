//! Damage to a directory: files that are missing, exchanged with another database's, put back from
//! an earlier time, renamed, strewn in; and several files damaged at once.

use allocdb_core::Lsn;
use allocdb_node::FileName;

use super::between;
use super::image::{Image, text};
use super::specimen::Specimen;
use super::sweep::draw;
use crate::random::Rng;

/// Whatever a damaged directory is shown to.
pub type Each<'a> = &'a mut dyn FnMut(&'static str, &Image);

/// Every set of files missing, exchanged with the other database's, and put back from each earlier
/// time.
pub fn each_set(specimen: &Specimen, each: Each<'_>) {
    let mut names = specimen.image.names();
    let others = specimen.older.iter().chain([&specimen.foreign]);
    for name in others.flat_map(Image::names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // Names that only earlier times had are many after a few checkpoints.
    names.truncate(9);
    for set in 1u32..1 << names.len() {
        let chosen = || {
            let is_in = move |index: &usize| set >> index & 1 == 1;
            (0..names.len()).filter(is_in).map(|index| &names[index])
        };
        let mut try_with = |kind, other: &Image| {
            let mut image = specimen.image.clone();
            chosen().for_each(|name| image.copy_from(other, name));
            if image != specimen.image {
                each(kind, &image);
            }
        };
        try_with("missing_files", &Image::default());
        try_with("foreign_files", &specimen.foreign);
        for older in &specimen.older {
            try_with("older_files", older);
        }
    }
    for older in &specimen.older {
        each("older_directories", older);
    }
}

/// Wrong names in a row that a snapshot is given.
const NAMES_MAX: u64 = 256;

/// Snapshots under wrong names, and files that nobody asked for.
pub fn each_name(specimen: &Specimen, dice: &mut Rng, each: Each<'_>) {
    let sound = &specimen.image;
    let snapshots = sound.snapshots();
    let lsn_max = specimen.lsn() + 3;
    // A backup begins far up: around its own positions, and around nought.
    let near = lsn_max.saturating_sub(NAMES_MAX)..=lsn_max;
    let low = 0..NAMES_MAX.min(*near.start());
    for &lsn in &snapshots {
        let bytes = sound.get(&text(FileName::Snapshot(lsn))).expect("listed");
        for to in low
            .clone()
            .chain(near.clone())
            .chain([u64::MAX, 1 << 40])
            .map(Lsn)
        {
            let mut copied = sound.clone();
            copied.put(text(FileName::Snapshot(to)), bytes.to_vec());
            let mut renamed = copied.clone();
            if to != lsn {
                renamed.remove(&text(FileName::Snapshot(lsn)));
                each("copied_snapshots", &copied);
                each("renamed_snapshots", &renamed);
            }
        }
        let mut lost = sound.clone();
        lost.remove(&text(FileName::Snapshot(lsn)));
        lost.put(b"snapshot-007.adb".to_vec(), bytes.to_vec());
        each("renamed_snapshots", &lost);
    }
    if let [newest, previous] = snapshots[..] {
        let names = [newest, previous].map(|lsn| text(FileName::Snapshot(lsn)));
        let mut image = sound.clone();
        let bytes = names
            .clone()
            .map(|name| sound.get(&name).expect("listed").to_vec());
        image.put(names[0].clone(), bytes[1].clone());
        image.put(names[1].clone(), bytes[0].clone());
        each("exchanged_snapshots", &image);
    }
    for to in [FileName::WalTemporary, FileName::SnapshotTemporary(Lsn(5))] {
        for (_, bytes) in sound.files() {
            let mut image = sound.clone();
            let len = dice.index(bytes.len() + 1);
            image.put(text(to), bytes[..len].to_vec());
            each("temporary_files", &image);
            image.put(b"core.1234".to_vec(), bytes.to_vec());
            each("strewn_files", &image);
        }
    }
}

/// Drawn damage to several files at once, `count` times: both snapshots, log and snapshot, all.
pub fn each_drawn(specimen: &Specimen, count: usize, dice: &mut Rng, each: Each<'_>) {
    let names = specimen.image.names();
    for _ in 0..count {
        let mut image = specimen.image.clone();
        for _ in 0..between(dice, 2, 4) {
            let name = &names[dice.index(names.len())];
            if image.get(name).is_none_or(<[u8]>::is_empty) {
                continue;
            }
            match dice.index(8) {
                0 => image.remove(name),
                1 => {
                    let older = dice.pick(&specimen.older).unwrap_or(&specimen.foreign);
                    image.copy_from(older, name);
                }
                2 => {
                    let bytes = image.edit(name);
                    let len = dice.index(bytes.len());
                    bytes.truncate(len);
                }
                3 => {
                    let bytes = image.edit(name);
                    let byte = dice.index(bytes.len());
                    bytes[byte] ^= 1 << dice.index(8);
                }
                _ => {
                    draw(image.edit(name), dice);
                }
            }
        }
        if image != specimen.image {
            each("several_files", &image);
        }
    }
}
