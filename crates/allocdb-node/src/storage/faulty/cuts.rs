//! Every image of the disk that a power cut may leave, by number.
//!
//! An image is a directory (a feasible subset of the unsynced changes to names) and, for each file
//! in it, a length and one version of each unsynced sector: what the disk had, what reads saw, or
//! what reads saw before the sector was written once more. A sector that would be the same either
//! way is no choice. A file under a temporary name is one choice of three: nobody may read it, so
//! all its subsets would only repeat an image.
//!
//! Where the choices are too many for all, the images are the corners (all old, all new, one
//! sector alone, all but one) and others from a seed. Rejected: sampling by a coin alone. It misses
//! the one image of 4,096 in which only the second frame's second sector has reached the disk.

use std::sync::Arc;

use super::content::{Content, range_of};
use super::names::{Names, outcomes};
use super::{Coin, Disk, FileName, Inner, Name, SECTOR};

/// Lengths of a file that was being grown: at most so many, the shortest and longest among them.
const LENGTHS_MAX: usize = 9;

/// The images that a power cut at one moment may leave.
#[derive(Debug)]
pub struct Cuts {
    inner: Inner,
    arrangements: Vec<Arrangement>,
}

#[derive(Debug)]
struct Arrangement {
    names: Names,
    places: Vec<(usize, Place)>,
    count: u64,
}

/// Something that may have come out in several ways; the first is the old, the second the new.
#[derive(Debug)]
enum Place {
    Length(Vec<usize>),
    Sector { sector: usize, radix: u64 },
    Temporary,
}

impl Place {
    fn radix(&self) -> u64 {
        match self {
            Self::Length(lengths) => lengths.len() as u64,
            Self::Sector { radix, .. } => *radix,
            Self::Temporary => 3,
        }
    }
}

/// How the choices of one image are made.
#[derive(Clone, Copy, Debug)]
enum Way {
    Number(u64),
    AllOld,
    AllNew,
    Only(usize),
    AllBut(usize),
    Seed(u64),
}

impl Cuts {
    pub(super) fn of(inner: &Inner) -> Self {
        let mut arrangements = Vec::new();
        for mut names in outcomes(&inner.durable_names, &inner.changes) {
            names.remove(&Name::of(FileName::Health));
            let mut places = Vec::new();
            for (name, index) in names.iter() {
                let content = &inner.files[*index];
                if !name.is_temporary() {
                    list_places(content, |place| places.push((*index, place)));
                } else if !content.dirty.is_empty() {
                    places.push((*index, Place::Temporary));
                }
            }
            let radices = places.iter().map(|(_, place)| place.radix());
            arrangements.push(Arrangement {
                count: radices.fold(1, u64::saturating_mul),
                names,
                places,
            });
        }
        Self {
            inner: inner.clone(),
            arrangements,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.arrangements.iter().map(|known| known.count);
        counts.fold(0, u64::saturating_add)
    }

    /// All of them where that is at most `bound`; else the corners and others from `seed`, about
    /// as many.
    pub fn images(&self, bound: u64, seed: u64) -> impl Iterator<Item = Disk> + '_ {
        let each_bound = (bound / self.arrangements.len() as u64).max(1);
        let is_listed_whole = self.count() <= bound;
        self.arrangements
            .iter()
            .zip(0..)
            .flat_map(move |(arrangement, number)| {
                let ways: Box<dyn Iterator<Item = Way>> =
                    if is_listed_whole || arrangement.count <= each_bound {
                        Box::new((0..arrangement.count).map(Way::Number))
                    } else {
                        Box::new(arrangement.sample(each_bound, seed ^ number << 32))
                    };
                ways.map(move |way| self.image(arrangement, way))
            })
    }

    fn image(&self, arrangement: &Arrangement, way: Way) -> Disk {
        let mut rest = match way {
            Way::Number(number) => number,
            _ => 0,
        };
        let mut coin = Coin::new(match way {
            Way::Seed(seed) => seed,
            _ => 0,
        });
        let mut at = 0;
        let mut choose = |radix: u64| {
            let place = at;
            at += 1;
            match way {
                Way::Number(_) => {
                    let digit = rest % radix;
                    rest /= radix;
                    digit
                }
                Way::AllOld => 0,
                Way::AllNew => 1,
                Way::Only(only) => u64::from(place == only),
                Way::AllBut(but) => u64::from(place != but),
                Way::Seed(_) => coin.next() % radix,
            }
        };
        let mut names = arrangement.names.clone();
        let mut places = &arrangement.places[..];
        let mut files = Vec::with_capacity(names.iter().count());
        for (_, index) in names.iter_mut() {
            let own = places.iter().take_while(|(file, _)| file == index).count();
            let (now, later) = places.split_at(own);
            places = later;
            files.push(settle(&self.inner.files[*index], now, &mut choose));
            *index = files.len() - 1;
        }
        Disk::holding(Inner {
            files,
            durable_names: names.clone(),
            names,
            ..Inner::default()
        })
    }
}

impl Arrangement {
    fn sample(&self, bound: u64, seed: u64) -> impl Iterator<Item = Way> + '_ {
        let count = self.places.len();
        let corners = [Way::AllOld, Way::AllNew]
            .into_iter()
            .chain((0..count).map(Way::Only))
            .chain((0..count).map(Way::AllBut));
        let seeded = bound.saturating_sub(2 + 2 * count as u64);
        corners.chain((0..seeded).map(move |step| Way::Seed(seed.wrapping_add(step << 8))))
    }
}

/// Lists what may have come out in several ways.
fn list_places(content: &Content, mut each: impl FnMut(Place)) {
    let (old, new) = (content.durable.len(), content.cache.len());
    if old != new {
        let mut lengths = vec![old, new];
        let between = (old / SECTOR + 1..new.div_ceil(SECTOR)).map(|sector| sector * SECTOR);
        let count = between.len();
        let step = count.div_ceil(LENGTHS_MAX - 2).max(1);
        lengths.extend(between.step_by(step));
        each(Place::Length(lengths));
    }
    let doubtful = content.doubtful.iter().map(|sector| (sector, false));
    let dirty = content.dirty.iter().map(|sector| (sector, true));
    for (sector, is_dirty) in doubtful.chain(dirty) {
        let older = content.older.iter().filter(|(known, _)| *known == sector);
        let older = if is_dirty { older.count() as u64 } else { 0 };
        if older > 0 || content.differs(sector) {
            let radix = 2 + older;
            each(Place::Sector { sector, radix });
        }
    }
}

/// The file as the power cut leaves it.
fn settle(
    content: &Content,
    places: &[(usize, Place)],
    choose: &mut impl FnMut(u64) -> u64,
) -> Content {
    let mut len = content.durable.len();
    let mut changed: Option<Vec<u8>> = None;
    for (_, place) in places {
        let choice = choose(place.radix());
        match place {
            Place::Length(lengths) => len = lengths[usize::try_from(choice).expect("few")],
            Place::Temporary if choice == 1 => {
                return Content::settled(Arc::clone(&content.cache));
            }
            Place::Temporary if choice == 2 => {
                let half = content.cache.len() / 2;
                return Content::settled(Arc::new(content.cache[..half].to_vec()));
            }
            Place::Sector { sector, .. } if choice > 0 => {
                let bytes = changed.get_or_insert_with(|| resized(&content.durable, len));
                let range = range_of(*sector, len.min(content.cache.len()));
                let size = range.len();
                let version = match choice {
                    1 => content.cached(*sector),
                    _ => nth_older(content, *sector, choice - 2),
                };
                bytes[range].copy_from_slice(&version[..size]);
            }
            Place::Temporary | Place::Sector { .. } => {}
        }
    }
    match changed {
        Some(bytes) => Content::settled(Arc::new(bytes)),
        None if len == content.durable.len() => Content::settled(Arc::clone(&content.durable)),
        None => Content::settled(Arc::new(resized(&content.durable, len))),
    }
}

fn nth_older(content: &Content, sector: usize, place: u64) -> &[u8] {
    let mut older = content.older.iter().filter(|(known, _)| *known == sector);
    let held = older.nth(usize::try_from(place).expect("few"));
    &held.expect("it was counted").1[..]
}

fn resized(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut resized = Vec::with_capacity(len);
    resized.extend_from_slice(&bytes[..bytes.len().min(len)]);
    resized.resize(len, 0);
    resized
}
