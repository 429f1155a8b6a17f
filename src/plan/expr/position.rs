//! Where in an expression's text something is.

use std::fmt;

use cel::common::ast::SourceInfo;
use cel::parser::PrattParser;

/// A place in an expression's text, for people: lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1. Most expressions have one.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The start of every text.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The position of the byte `offset` of `text`. An offset beyond the text is its end.
    pub(super) fn of(text: &str, offset: usize) -> Position {
        let before = text
            .char_indices()
            .take_while(|(at, _)| *at < offset)
            .map(|(_, c)| c);
        before.fold(Position::START, |at, c| match c {
            '\n' => Position {
                line: at.line.saturating_add(1),
                column: 1,
            },
            _ => Position {
                line: at.line,
                column: at.column.saturating_add(1),
            },
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            1 => write!(f, "column {}", self.column),
            line => write!(f, "line {line}, column {}", self.column),
        }
    }
}

/// Positions of the nodes of one parsed text.
pub(super) struct Positions<'t> {
    text: &'t str,
    offsets: Option<SourceInfo>,
}

impl<'t> Positions<'t> {
    /// Positions for `text`, which `parser` has accepted.
    ///
    /// The parser numbers nodes in the order of their tokens, but hands out its table of offsets only with
    /// an error. So it parses once more, with a `)` too many at the end: same numbers, and the table.
    pub(super) fn of(text: &'t str, parser: PrattParser) -> Positions<'t> {
        let errors = parser.parse(&format!("{text}\n)")).err();
        let offsets = errors
            .into_iter()
            .flat_map(|errors| errors.errors)
            .filter_map(|error| error.source_info)
            .find_map(|shared| std::sync::Arc::try_unwrap(shared).ok());
        Positions { text, offsets }
    }

    /// The position of the node `id`.
    pub(super) fn at(&self, id: u64) -> Position {
        Position::of(self.text, self.offset(id))
    }

    /// The position of `name`, which is written just before the node `id` (the `(` of its call).
    pub(super) fn before(&self, id: u64, name: &str) -> Position {
        let offset = self.offset(id);
        let named = self
            .text
            .get(..offset)
            .is_some_and(|before| before.ends_with(name));
        let start = if named {
            offset.saturating_sub(name.len())
        } else {
            offset
        };
        Position::of(self.text, start)
    }

    fn offset(&self, id: u64) -> usize {
        self.offsets
            .as_ref()
            .and_then(|table| table.offset_for(id))
            .map_or(0, |(start, _)| start as usize)
    }
}
