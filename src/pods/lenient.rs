//! Reading JSON that may be odd: what is of the type asked for is taken, everything else is as if it weren't there.
//!
//! An API server sends well-typed pods, but a webhook, a fake kubelet or a later version may not, and one odd field must
//! not hide a whole pod. Values are read as a stream, so what isn't wanted costs no memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A type with a default that stands for absent, null and odd. Each method is one shape of JSON that the type may accept.
pub trait Lenient: Default {
    /// From a string.
    fn from_text(_: &str) -> Self {
        Self::default()
    }

    /// From a whole number.
    fn from_int(_: i64) -> Self {
        Self::default()
    }

    /// From true or false.
    fn from_bool(_: bool) -> Self {
        Self::default()
    }

    /// From a list.
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    /// From an object.
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl Lenient for String {
    fn from_text(text: &str) -> Self {
        text.to_owned()
    }
}

impl Lenient for bool {
    fn from_bool(value: bool) -> Self {
        value
    }
}

impl Lenient for Option<i32> {
    fn from_int(value: i64) -> Self {
        i32::try_from(value).ok()
    }
}

impl Lenient for Option<i64> {
    fn from_int(value: i64) -> Self {
        Some(value)
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut items = Self::new();
        while let Some(Field(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// How many items a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u32);

impl Lenient for Count {
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut count = 0_u32;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(Self(count))
    }
}

/// An object that may be absent. `Default` is absent, so that `{}` and nothing differ.
impl<T: Lenient> Lenient for Option<Box<T>> {
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::from_map(map).map(|value| Some(Box::new(value)))
    }
}

/// Makes a struct that derives `Deserialize` lenient: it is read from an object, and is its default otherwise.
macro_rules! lenient_struct {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::pods::lenient::Lenient for $name {
            fn from_map<'de, A: serde::de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
                $crate::pods::lenient::read(map)
            }
        }
    )+};
}
pub(super) use lenient_struct;

/// Reads a struct by its own `Deserialize`.
pub fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map))
}

/// For `#[serde(deserialize_with)]`.
pub fn lenient<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Shape(PhantomData))
}

/// A lenient value where serde asks for a type.
struct Field<T>(T);

impl<'de, T: Lenient> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer).map(Self)
    }
}

struct Shape<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for Shape<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(text))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::from_int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(i64::try_from(value).map_or_else(|_| T::default(), T::from_int))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::from_bool(value))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_none<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        lenient(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::from_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}
