//! Sets of indices as people read them: `0-4999,5003`.

use std::fmt::Write;

/// The text of ascending indices, each once: neighbours become a range.
#[must_use]
pub fn write(indices: impl IntoIterator<Item = u32>) -> String {
    let mut text = String::new();
    let mut open: Option<(u32, u32)> = None;
    let mut close = |(first, last): (u32, u32)| {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string can't fail.
        let _ = if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
    };
    for index in indices {
        open = match open {
            Some((first, last)) if last.checked_add(1) == Some(index) => Some((first, index)),
            Some(range) => {
                close(range);
                Some((index, index))
            }
            None => Some((index, index)),
        };
    }
    if let Some(range) = open {
        close(range);
    }
    text
}

/// The indices of a text, those below `bound`: as far as the text can be read, whoever wrote it.
pub fn read(text: &str, bound: u32) -> impl Iterator<Item = u32> {
    text.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?))
        })
        .flat_map(move |(first, last)| first..last.saturating_add(1).min(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (indices, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![0, 1], "0-1"),
            (vec![0, 1, 2, 4, 6, 7], "0-2,4,6-7"),
            (vec![19_999], "19999"),
        ] {
            assert_eq!(write(indices.iter().copied()), text);
            assert_eq!(read(text, 20_000).collect::<Vec<u32>>(), indices);
        }
    }

    #[test]
    fn what_a_hand_wrote_is_read_as_far_as_it_goes() {
        for (text, indices) in
            [("0-4294967295", vec![0, 1, 2]), ("5", vec![]), ("x,1,-,2-,-1, 0 - 1 ", vec![1, 0, 1]), ("2-1", vec![])]
        {
            assert_eq!(read(text, 3).collect::<Vec<u32>>(), indices, "{text}");
        }
    }

    #[test]
    fn the_greatest_index_has_no_neighbour() {
        assert_eq!(write([u32::MAX - 1, u32::MAX]), "4294967294-4294967295");
        assert_eq!(read("4294967295", u32::MAX).count(), 0);
    }
}
