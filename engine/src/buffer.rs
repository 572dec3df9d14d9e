//! Memory for intermediate results, used again instead of given back: asking the system for fresh pages, and filling them
//! with zeros, would take a tenth of a training step.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use crate::aligned::Aligned;

/// Where buffers come from and go back to. What is out and what is idle together are never more than the most that was ever
/// out at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Mutex<Stock>>);

#[derive(Debug, Default)]
struct Stock {
    /// By length.
    idle: BTreeMap<usize, Vec<Aligned>>,
    idle_values: usize,
    out_values: usize,
    most_out_values: usize,
}

impl Stock {
    /// Gives idle buffers back to the system, the longest first, until all that is left was needed at once before.
    fn make_room(&mut self) {
        while self.out_values + self.idle_values > self.most_out_values {
            let Some(mut longest) = self.idle.last_entry() else { return };
            match longest.get_mut().pop() {
                Some(values) => self.idle_values -= values.len(),
                None => drop(longest.remove()),
            }
        }
    }
}

impl Shelf {
    /// A buffer whose content is what somebody left there: to be overwritten entirely.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stock.out_values += len;
        stock.most_out_values = stock.most_out_values.max(stock.out_values);
        let found = stock.idle.get_mut(&len).and_then(Vec::pop);
        if found.is_some() {
            stock.idle_values -= len;
        }
        stock.make_room();
        drop(stock);
        Buffer { values: found.unwrap_or_else(|| Aligned::zeros(len)), home: self.clone() }
    }

    /// A buffer of zeros.
    pub(crate) fn zeros(&self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// A buffer with these values.
    pub(crate) fn copy(&self, values: &[f32]) -> Buffer {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    fn put(&self, values: Aligned) {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let len = values.len();
        stock.out_values -= len;
        if stock.out_values + stock.idle_values + len <= stock.most_out_values {
            stock.idle_values += len;
            stock.idle.entry(len).or_default().push(values);
        }
    }
}

/// Values that go back to their shelf when they are dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    values: Aligned,
    home: Shelf,
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_bounded_by_the_most_in_use() {
        let shelf = Shelf::default();
        let first = shelf.copy(&[7.0; 100]);
        let place = first.as_ptr();
        drop(first);
        assert_eq!(shelf.take(100).as_ptr(), place);
        assert_eq!(*shelf.zeros(100), [0.0; 100]);
        // Another length takes the place of what is idle.
        drop(shelf.take(60));
        let held = |shelf: &Shelf| {
            let stock = shelf.0.lock().unwrap();
            assert_eq!(stock.idle_values, stock.idle.values().flatten().map(|values| values.len()).sum::<usize>());
            (stock.out_values, stock.idle_values, stock.most_out_values)
        };
        assert_eq!(held(&shelf), (0, 60, 100));
        // Nothing idle stands beside what is new, unless both were needed at once before.
        let out = shelf.take(50);
        assert_eq!(held(&shelf), (50, 0, 100));
        let more = shelf.take(80);
        assert_eq!(held(&shelf), (130, 0, 130));
        drop((out, more));
        assert_eq!(held(&shelf), (0, 130, 130));
        drop(shelf.take(50));
        assert_eq!(held(&shelf), (0, 130, 130));
    }
}
