//! Lines and columns of a text.

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        // YAML breaks a line at `\n`, `\r\n` and a lone `\r`.
        let is_break = |at: usize, byte: u8| {
            byte == b'\n' || byte == b'\r' && bytes.get(at.saturating_add(1)).is_none_or(|next| *next != b'\n')
        };
        let breaks = bytes.iter().enumerate().filter(|(at, byte)| is_break(*at, **byte));
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at.saturating_add(1))).collect();
        Self { text, starts }
    }

    /// Line and column of a byte, both from 1, the column in characters. What is beyond the text is at its end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count().saturating_add(1))
    }

    /// The line that the byte `start` is in, as much of it as can be shown, with what is meant underlined, to `end` or the end
    /// of the line.
    pub fn excerpt(&self, start: usize, end: usize) -> Excerpt {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.floor_char_boundary(end.min(self.text.len()));
        let line = self.starts.partition_point(|first| *first <= start);
        let first = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let next = self.starts.get(line).copied().unwrap_or(self.text.len());
        let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        let (before, after) = (part(first, start), part(start, next).trim_end_matches(['\n', '\r']));
        let meant = part(start, end.min(start.saturating_add(after.len()))).trim_end();
        let mut shown = tail(before);
        let indent = shown.chars().count();
        shown.push_str(&head(after, LINE.saturating_sub(indent)));
        let width = meant.chars().take(LINE.saturating_sub(indent)).count().max(1);
        // What has no width of its own would shift what comes after it.
        let line = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Excerpt { line, indent, width }
    }
}

/// Characters of a line that are shown.
const LINE: usize = 120;
/// Characters that are shown of a long line before the place.
const BEFORE: usize = 60;

/// A line of a file, or a part of a long one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without control characters.
    pub line: String,
    /// Characters before what is meant.
    pub indent: usize,
    /// Characters that are meant; at least 1.
    pub width: usize,
}

fn tail(text: &str) -> String {
    if text.chars().rev().nth(LINE.saturating_sub(BEFORE)).is_none() {
        return text.to_owned();
    }
    let from = text.char_indices().rev().nth(BEFORE).map_or(0, |(at, _)| at);
    format!("…{}", text.get(from..).unwrap_or_default())
}

fn head(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_columns_in_characters() {
        let lines = Lines::new("ab\r\nçd\n\ne\rf");
        for (offset, position) in
            [(0, (1, 1)), (1, (1, 2)), (4, (2, 1)), (6, (2, 2)), (8, (3, 1)), (9, (4, 1)), (11, (5, 1)), (99, (5, 2))]
        {
            assert_eq!(lines.position(offset), position, "{offset}");
        }
        assert_eq!(Lines::new("").position(0), (1, 1));
    }

    #[test]
    fn an_excerpt_is_a_line_and_ends_with_it() {
        let excerpt = |text: &str, start, end| {
            let Excerpt { line, indent, width } = Lines::new(text).excerpt(start, end);
            (line, indent, width)
        };
        assert_eq!(excerpt("key: |\n  text\n", 0, 3), ("key: |".into(), 0, 3));
        assert_eq!(excerpt("key: |\n  text\n", 5, 14), ("key: |".into(), 5, 1));
        assert_eq!(excerpt("\tä: b\r\n", 5, 6), (" ä: b".into(), 4, 1));
        assert_eq!(excerpt("", 7, 9), (String::new(), 0, 1));
        let (line, indent, width) = excerpt(&"é".repeat(1_000), 1_000, 1_400);
        assert_eq!((line.chars().count(), indent, width), (121, 62, 58), "{line}");
    }
}
