//! Bit planes of a quadrant as quadtrees (White, Postman & Lattanzi 1992, §4).
//!
//! A node of the lowest level stands for 2 by 2 coefficients, one above for 2 by 2 nodes; each has four bits, which say where in it there is a 1. A plane is its nodes from the
//! single one at the top down; those without a 1 are left out, and each level is written from its end to its start. A plane for which that takes more
//! is instead the bits of all nodes of the lowest level, from the start.

use super::transform::{Coefficient, levels};
use super::{Quadrant, damaged};
use crate::codec::bits::{BitReader, BitWriter};
use crate::error::Result;

/// How many bits the code of a plane and the bits of a node have.
pub(super) const CODE_BITS: u32 = 4;
/// What stands behind the last plane.
pub(super) const END: u32 = 0;
/// What stands before a plane: nodes of the lowest level, or a tree.
const PLAIN: u32 = 0;
const TREE: u32 = 15;

/// The code of a node in a tree and its length, by the bits of the node.
const NODE_CODES: [(u8, u8); 16] = [
    (0b111110, 6),
    (0b000, 3),
    (0b001, 3),
    (0b1000, 4),
    (0b010, 3),
    (0b1001, 4),
    (0b11010, 5),
    (0b11011, 5),
    (0b011, 3),
    (0b11100, 5),
    (0b1010, 4),
    (0b11101, 5),
    (0b1011, 4),
    (0b11110, 5),
    (0b111111, 6),
    (0b1100, 4),
];
const LONGEST_CODE: u32 = 6;

/// The bits of a node and the length of its code, by the next bits of a tree.
const NODES: [(u8, u8); 1 << LONGEST_CODE] = {
    let mut nodes = [(0, 0); 1 << LONGEST_CODE];
    let mut node = 0;
    while node < NODE_CODES.len() {
        let (code, length) = NODE_CODES[node];
        let unused = LONGEST_CODE as u8 - length;
        let mut rest = 0;
        while rest < 1 << unused {
            nodes[(code << unused | rest) as usize] = (node as u8, length);
            rest += 1;
        }
        node += 1;
    }
    nodes
};

/// Kept from plane to plane.
#[derive(Default)]
pub(super) struct Memory {
    nodes: Vec<Node>,
    next: Vec<Node>,
    row: Vec<u8>,
    /// For each level, the nodes of a plane that is written.
    levels: Vec<Vec<u8>>,
}

/// A node with a 1 somewhere.
#[derive(Clone, Copy)]
struct Node {
    row: u32,
    column: u32,
    bits: u8,
}

/// Reads one bit of all coefficients of a quadrant; `plane` starts with the first of them, its rows are `stride` apart. `None` if the input ends before.
pub(super) fn read_plane<T: Coefficient>(
    bits: &mut BitReader<'_>,
    quadrant: &Quadrant,
    stride: usize,
    bit: u32,
    plane: &mut [T],
    memory: &mut Memory,
) -> Option<Result<()>> {
    if quadrant.rows == 0 || quadrant.columns == 0 {
        return Some(Ok(()));
    }
    match bits.take(CODE_BITS)? {
        PLAIN => read_plain(bits, quadrant, stride, bit, plane, &mut memory.row)?,
        TREE => read_tree(bits, quadrant, stride, bit, plane, memory)?,
        other => return Some(Err(damaged(&format!("have the unknown code {other} before a plane of bits")))),
    }
    Some(Ok(()))
}

fn read_plain<T: Coefficient>(
    bits: &mut BitReader<'_>,
    quadrant: &Quadrant,
    stride: usize,
    bit: u32,
    plane: &mut [T],
    nodes: &mut Vec<u8>,
) -> Option<()> {
    /// How many nodes are taken at once.
    const GROUP: usize = 8;
    nodes.clear();
    nodes.resize(quadrant.columns.div_ceil(2), 0);
    for (index, rows) in plane.chunks_mut(2 * stride).take(quadrant.rows.div_ceil(2)).enumerate() {
        let (groups, rest) = nodes.as_chunks_mut::<GROUP>();
        for group in groups {
            let word = bits.take(u32::BITS)?.to_be_bytes();
            let halves = group.as_chunks_mut::<2>().0.iter_mut().zip(word);
            halves.for_each(|(pair, byte)| *pair = [byte >> CODE_BITS, byte & 15]);
        }
        for node in rest {
            *node = bits.take(CODE_BITS)? as u8;
        }
        let (upper, lower) = rows.split_at_mut(stride.min(rows.len()));
        set_bits(nodes, 2, bit, upper.get_mut(..quadrant.columns).unwrap_or_default());
        if 2 * index + 1 < quadrant.rows {
            set_bits(nodes, 0, bit, lower.get_mut(..quadrant.columns).unwrap_or_default());
        }
    }
    Some(())
}

/// Adds the two bits of each node from `first` on to a row of coefficients.
fn set_bits<T: Coefficient>(nodes: &[u8], first: u32, bit: u32, row: &mut [T]) {
    let value = |node: u8, place: u32| T::new(i64::from(node >> place & 1)) << bit as usize;
    let (pairs, last) = row.as_chunks_mut::<2>();
    for ([left, right], &node) in pairs.iter_mut().zip(nodes) {
        *left = *left | value(node, first + 1);
        *right = *right | value(node, first);
    }
    if let ([left], Some(&node)) = (last, nodes.last()) {
        *left = *left | value(node, first + 1);
    }
}

fn read_tree<T: Coefficient>(
    bits: &mut BitReader<'_>,
    quadrant: &Quadrant,
    stride: usize,
    bit: u32,
    plane: &mut [T],
    memory: &mut Memory,
) -> Option<()> {
    let Memory { nodes, next, .. } = memory;
    nodes.clear();
    nodes.push(Node { row: 0, column: 0, bits: 0 });
    for level in (1..levels(quadrant.rows, quadrant.columns)).rev() {
        read_nodes(bits, nodes)?;
        let length = |length: usize| ((length - 1) >> level) + 1;
        children(nodes, length(quadrant.rows) as u32, length(quadrant.columns) as u32, next);
        std::mem::swap(nodes, next);
    }
    read_nodes(bits, nodes)?;
    for run in nodes.chunk_by(|one, other| one.row == other.row) {
        let first = run.first().map_or(0, |node| 2 * node.row as usize);
        let mut rows = plane.chunks_mut(stride).skip(first).take(quadrant.rows - first.min(quadrant.rows));
        for shift in [2, 0] {
            let row = rows.next().and_then(|row| row.get_mut(..quadrant.columns)).unwrap_or_default();
            set_node_bits(run, shift, bit, row);
        }
    }
    Some(())
}

/// Adds two bits of each node to a row of coefficients.
fn set_node_bits<T: Coefficient>(nodes: &[Node], shift: u32, bit: u32, row: &mut [T]) {
    let value = |node: &Node, place: u32| T::new(i64::from(node.bits >> place & 1)) << bit as usize;
    let (pairs, last) = row.as_chunks_mut::<2>();
    let pair_count = pairs.len();
    for node in nodes {
        let column = node.column as usize;
        if let Some([left, right]) = pairs.get_mut(column) {
            *left = *left | value(node, shift + 1);
            *right = *right | value(node, shift);
        } else if let ([left], true) = (&mut *last, column == pair_count) {
            *left = *left | value(node, shift + 1);
        }
    }
}

fn read_nodes(bits: &mut BitReader<'_>, nodes: &mut [Node]) -> Option<()> {
    /// How many codes there are bits for after each look at the input.
    const GROUP: usize = 9;
    for group in nodes.chunks_mut(GROUP) {
        bits.refill();
        let (mut window, mut used) = (bits.window, 0u32);
        for node in group {
            let next = (window >> (u64::BITS - LONGEST_CODE)) as usize;
            let (value, length) = NODES.get(next).copied().unwrap_or_default();
            node.bits = value;
            window <<= length;
            used += u32::from(length);
        }
        bits.skip(used)?;
    }
    Some(())
}

/// The nodes of the level below, which has so many rows and columns, from its end to its start.
fn children(nodes: &[Node], rows: u32, columns: u32, next: &mut Vec<Node>) {
    next.clear();
    for run in nodes.chunk_by(|one, other| one.row == other.row) {
        for (lower, shift) in [(1, 0), (0, 2)] {
            for node in run {
                let row = 2 * node.row + lower;
                let bits = node.bits >> shift;
                for (place, column) in [(0, 2 * node.column + 1), (1, 2 * node.column)] {
                    if bits >> place & 1 == 1 && row < rows && column < columns {
                        next.push(Node { row, column, bits: 0 });
                    }
                }
            }
        }
    }
}

/// Writes one bit of all coefficients of a quadrant, none of which is negative.
pub(super) fn write_plane<T: Coefficient>(
    plane: &[T],
    quadrant: &Quadrant,
    stride: usize,
    bit: u32,
    bits: &mut BitWriter<'_>,
    memory: &mut Memory,
) {
    if quadrant.rows == 0 || quadrant.columns == 0 {
        return;
    }
    let count = levels(quadrant.rows, quadrant.columns).max(1) as usize;
    memory.levels.resize_with(count.max(memory.levels.len()), Vec::new);
    let levels = memory.levels.get_mut(..count).unwrap_or_default();
    let Some((lowest, upper)) = levels.split_first_mut() else { return };
    lowest_nodes(plane, quadrant, stride, bit, lowest);
    let mut tree_bits = tree_len(lowest);
    let plain_bits = u64::from(CODE_BITS) * lowest.len() as u64;
    let (mut below, mut columns) = (&*lowest, quadrant.columns.div_ceil(2));
    for nodes in upper {
        nodes_above(below, columns, nodes);
        columns = columns.div_ceil(2);
        tree_bits += tree_len(nodes);
        below = nodes;
    }
    if tree_bits > plain_bits {
        bits.put(PLAIN, CODE_BITS);
        lowest_bits(levels.first().map_or(&[], Vec::as_slice), bits);
        return;
    }
    bits.put(TREE, CODE_BITS);
    if levels.last().is_none_or(|top| top.iter().all(|node| *node == 0)) {
        // Only at the top a node without a 1 is written.
        let (code, length) = NODE_CODES[0];
        bits.put(code.into(), length.into());
        return;
    }
    for nodes in levels.iter().rev() {
        for &node in nodes.iter().rev().filter(|node| **node != 0) {
            let (code, length) = NODE_CODES[usize::from(node & 15)];
            bits.put(code.into(), length.into());
        }
    }
}

fn lowest_bits(nodes: &[u8], bits: &mut BitWriter<'_>) {
    let (groups, rest) = nodes.as_chunks::<8>();
    for group in groups {
        let word = group.iter().fold(0u32, |word, &node| word << CODE_BITS | u32::from(node));
        bits.put(word, u32::BITS);
    }
    for &node in rest {
        bits.put(node.into(), CODE_BITS);
    }
}

/// The bits of the nodes of the lowest level.
fn lowest_nodes<T: Coefficient>(plane: &[T], quadrant: &Quadrant, stride: usize, bit: u32, nodes: &mut Vec<u8>) {
    nodes.clear();
    let value = |coefficient: T| (coefficient >> bit as usize).get() as u8 & 1;
    let mut rows = plane.chunks(stride).take(quadrant.rows).filter_map(|row| row.get(..quadrant.columns));
    while let Some(upper) = rows.next() {
        let (upper, upper_last) = upper.as_chunks::<2>();
        let (lower, lower_last) = rows.next().unwrap_or_default().as_chunks::<2>();
        if lower.is_empty() {
            nodes.extend(upper.iter().map(|&[left, right]| value(left) << 3 | value(right) << 2));
        } else {
            nodes.extend(upper.iter().zip(lower).map(|(&[one, two], &[three, four])| {
                value(one) << 3 | value(two) << 2 | value(three) << 1 | value(four)
            }));
        }
        if let [above] = *upper_last {
            nodes.push(value(above) << 3 | lower_last.first().map_or(0, |&below| value(below) << 1));
        }
    }
}

/// The bits of the nodes above others, which come in rows of `columns`.
fn nodes_above(below: &[u8], columns: usize, nodes: &mut Vec<u8>) {
    nodes.clear();
    let has = |node: u8| u8::from(node != 0);
    let mut rows = below.chunks(columns);
    while let Some(upper) = rows.next() {
        let (upper, upper_last) = upper.as_chunks::<2>();
        let (lower, lower_last) = rows.next().unwrap_or_default().as_chunks::<2>();
        if lower.is_empty() {
            nodes.extend(upper.iter().map(|&[left, right]| has(left) << 3 | has(right) << 2));
        } else {
            nodes.extend(
                upper
                    .iter()
                    .zip(lower)
                    .map(|(&[one, two], &[three, four])| has(one) << 3 | has(two) << 2 | has(three) << 1 | has(four)),
            );
        }
        if let [above] = *upper_last {
            nodes.push(has(above) << 3 | lower_last.first().map_or(0, |&below| has(below) << 1));
        }
    }
}

/// How many bits the nodes take in a tree.
fn tree_len(nodes: &[u8]) -> u64 {
    const LENGTHS: [u8; 16] = {
        let mut lengths = [0; 16];
        let mut node = 1;
        while node < 16 {
            lengths[node] = NODE_CODES[node].1;
            node += 1;
        }
        lengths
    };
    nodes.iter().map(|node| u64::from(LENGTHS[usize::from(node & 15)])).sum()
}
