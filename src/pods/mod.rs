//! A task's attempt as a Pod, and a Pod as facts.
