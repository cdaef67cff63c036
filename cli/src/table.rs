//! Tables that align, with colour that does not count as width.

use crate::output::Style;

/// A cell: text and how it looks.
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A plain cell.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::Plain }
    }

    /// A cell in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Renders rows under a heading. Columns are as wide as their widest cell; the last one is not padded.
pub fn render(heading: &[&str], rows: &[Vec<Cell>], coloured: bool) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
        cells.chain([heading[at].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &[(&str, Style)]| {
        for (at, (text, style)) in cells.iter().enumerate() {
            let last = at + 1 == cells.len();
            out.push_str(&style.paint(text, coloured));
            if !last {
                out.push_str(&" ".repeat(widths[at] - text.chars().count() + 2));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    };
    line(&heading.iter().map(|text| (*text, Style::Bold)).collect::<Vec<_>>());
    for row in rows {
        line(&row.iter().map(|cell| (cell.text.as_str(), cell.style)).collect::<Vec<_>>());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_without_spaces() {
        let rows =
            vec![vec![Cell::plain("a"), Cell::plain("x")], vec![Cell::styled("long", Style::Red), Cell::plain("")]];
        assert_eq!(render(&["N", "M"], &rows, false), "N     M\na     x\nlong\n");
        assert!(render(&["N", "M"], &rows, true).contains("\x1b[1;31mlong\x1b[0m"));
    }
}
