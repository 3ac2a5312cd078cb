//! A set of sectors as sorted ranges that do not touch: a long write is one entry, whatever its
//! length, and copying the set is cheap. Rejected: a tree of sectors, which makes every image of a
//! disk cost an allocation a sector.

use core::ops::Range;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Sectors {
    ranges: Vec<Range<usize>>,
}

impl Sectors {
    pub(super) fn insert(&mut self, sectors: Range<usize>) {
        if sectors.is_empty() {
            return;
        }
        let (mut start, mut end) = (sectors.start, sectors.end);
        let first = self.ranges.partition_point(|range| range.end < start);
        let mut last = first;
        while last < self.ranges.len() && self.ranges[last].start <= end {
            start = start.min(self.ranges[last].start);
            end = end.max(self.ranges[last].end);
            last += 1;
        }
        self.ranges
            .splice(first..last, core::iter::once(start..end));
    }

    pub(super) fn remove(&mut self, sectors: &Range<usize>) {
        if self.ranges.is_empty() || sectors.is_empty() {
            return;
        }
        let before = core::mem::take(&mut self.ranges);
        for range in before {
            let left = range.start..range.end.min(sectors.start);
            let right = range.start.max(sectors.end)..range.end;
            self.ranges
                .extend([left, right].into_iter().filter(|part| !part.is_empty()));
        }
    }

    pub(super) fn contains(&self, sector: usize) -> bool {
        let place = self.ranges.partition_point(|range| range.end <= sector);
        self.ranges
            .get(place)
            .is_some_and(|range| range.contains(&sector))
    }

    pub(super) fn count(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    pub(super) fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
    }
}
