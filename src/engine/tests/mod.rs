//! Tests of the decision as a whole: tables that read as its specification, and laws over random worlds.

mod child;
mod conditions;
mod deadline;
mod edited;
mod finally;
mod for_each;
mod generation;
mod laws;
mod reference;
mod retry;
mod rules;
mod table;
mod world;
