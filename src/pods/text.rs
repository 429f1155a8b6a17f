//! Text from others, made fit to be stored: bounded, and without control characters.

/// The most that a message in a status may have, in bytes (LANGUAGE: 1 KiB).
pub const MAX_MESSAGE: usize = 1024;

/// Marks where text was left out.
const CUT: &str = "…";

/// A message of Kubernetes' as one line: control characters become spaces, and the start is kept where it is too long.
#[must_use]
pub fn line(message: &str) -> String {
    let mut text: String = message
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_MESSAGE.saturating_add(1))
        .collect();
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    text
}

/// The end of a log: line breaks stay, other control characters become spaces, and the end is kept where it is too long.
#[must_use]
pub fn tail(log: &str) -> String {
    let text: String = log.trim_end().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    if text.len() <= MAX_MESSAGE {
        return text;
    }
    let room = MAX_MESSAGE.saturating_sub(CUT.len());
    let from = text.ceil_char_boundary(text.len().saturating_sub(room));
    format!("{CUT}{}", text.get(from..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_start() {
        for (input, output) in
            [("", ""), ("  plain  ", "plain"), ("a\nb\tc\u{7}d\u{0}e\u{85}f", "a b c d e f"), ("ünïcode", "ünïcode")]
        {
            assert_eq!(line(input), output, "{input:?}");
        }
        for long in ["x".repeat(5000), "ß".repeat(5000), "𐍈".repeat(5000)] {
            let text = line(&long);
            assert!(text.len() <= MAX_MESSAGE && text.len() > MAX_MESSAGE - 8);
            assert!(text.ends_with(CUT) && text.starts_with(&long[..4]));
        }
        assert_eq!(line(&"x".repeat(MAX_MESSAGE)).len(), MAX_MESSAGE);
    }

    #[test]
    fn a_tail_keeps_its_end() {
        for (input, output) in [("", ""), ("one\ntwo\n", "one\ntwo"), ("one\r\n\u{1b}[31mtwo\n\n", "one \n [31mtwo")] {
            assert_eq!(tail(input), output, "{input:?}");
        }
        for unit in ["x", "ß", "𐍈"] {
            let text = tail(&(unit.repeat(2000) + "the end\n"));
            assert!(text.len() <= MAX_MESSAGE && text.len() > MAX_MESSAGE - 8);
            assert!(text.starts_with(CUT) && text.ends_with("the end"));
        }
    }
}
