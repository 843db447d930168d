//! The codec against RFC 4506's forms and against input that lies.

use super::*;

#[derive(Debug, Clone, PartialEq, Xdr)]
struct Point {
    x: i32,
    #[xdr(max = 4)]
    name: String,
    #[xdr(max = 3)]
    tags: Vec<u32>,
    next: Option<u64>,
    #[xdr(max = 5)]
    blob: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Xdr)]
enum Colour {
    Red = 1,
    Blue = 5,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
enum Value {
    #[xdr(case = 1)]
    Number(i32),
    #[xdr(case = 7)]
    Text(String),
}

fn point() -> Point {
    Point {
        x: -2,
        name: "abc".into(),
        tags: vec![7],
        next: Some(9),
        blob: vec![1],
    }
}

#[test]
fn a_struct_is_its_fields_in_order_each_padded_to_four_bytes() {
    let bytes = to_bytes(&point()).unwrap();
    let expected: &[u8] = &[
        255, 255, 255, 254, 0, 0, 0, 3, b'a', b'b', b'c', 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0,
        0, 0, 0, 9, 0, 0, 0, 1, 1, 0, 0, 0,
    ];
    assert_eq!(bytes, expected);
    assert_eq!(from_bytes::<Point>(&bytes), Ok(point()));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = to_bytes(&point()).unwrap();
    for length in 0..bytes.len() {
        assert!(
            matches!(
                from_bytes::<Point>(&bytes[..length]),
                Err(Error::Truncated { .. })
            ),
            "{length}"
        );
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = to_bytes(&point()).unwrap();
    bytes.push(0);
    assert_eq!(from_bytes::<Point>(&bytes), Err(Error::Trailing(1)));
}

#[test]
fn limits_hold_on_both_sides() {
    let long = Point {
        name: "abcde".into(),
        ..point()
    };
    assert_eq!(to_bytes(&long), Err(Error::TooLong { length: 5, max: 4 }));
    let many = Point {
        tags: vec![0; 4],
        ..point()
    };
    assert_eq!(to_bytes(&many), Err(Error::TooLong { length: 4, max: 3 }));
    let mut bytes = to_bytes(&point()).unwrap();
    bytes[7] = 5;
    assert_eq!(
        from_bytes::<Point>(&bytes),
        Err(Error::TooLong { length: 5, max: 4 })
    );
}

#[test]
fn an_announced_length_allocates_nothing_by_itself() {
    #[derive(Debug, PartialEq, Xdr)]
    struct Big {
        #[xdr(max = u32::MAX as usize)]
        items: Vec<u64>,
    }
    let lie = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert!(matches!(from_bytes::<Big>(&lie), Err(Error::Truncated { .. })));
}

#[test]
fn unknown_numbers_are_refused() {
    assert_eq!(from_bytes::<Colour>(&[0, 0, 0, 5]), Ok(Colour::Blue));
    assert!(matches!(
        from_bytes::<Colour>(&[0, 0, 0, 2]),
        Err(Error::Invalid { value: 2, .. })
    ));
    assert!(matches!(
        from_bytes::<Value>(&[0, 0, 0, 2, 0, 0, 0, 0]),
        Err(Error::Invalid { value: 2, .. })
    ));
    assert!(matches!(
        from_bytes::<Option<u32>>(&[0, 0, 0, 2]),
        Err(Error::Invalid { value: 2, .. })
    ));
}

#[test]
fn a_union_is_its_case_and_its_arm() {
    let value = Value::Text("hi".into());
    let bytes = to_bytes(&value).unwrap();
    assert_eq!(bytes, [0, 0, 0, 7, 0, 0, 0, 2, b'h', b'i', 0, 0]);
    assert_eq!(from_bytes::<Value>(&bytes), Ok(value));
}

#[test]
fn text_is_utf8_without_nul() {
    assert_eq!(
        from_bytes::<String>(&[0, 0, 0, 1, 0xff, 0, 0, 0]),
        Err(Error::NotText)
    );
    assert_eq!(
        from_bytes::<String>(&[0, 0, 0, 1, 0, 0, 0, 0]),
        Err(Error::NotText)
    );
}

#[test]
fn chars_travel_as_integers() {
    let model = CharArray::<3>::from_text("x86");
    assert_eq!(
        to_bytes(&model).unwrap(),
        [0, 0, 0, b'x', 0, 0, 0, b'8', 0, 0, 0, 0]
    );
    assert_eq!(model.to_text(), "x8");
    assert_eq!(from_bytes::<UChar>(&[255, 255, 255, 255]), Ok(UChar(255)));
    assert!(from_bytes::<UChar>(&[0, 0, 1, 0]).is_err());
}

#[test]
fn a_type_describes_itself() {
    let Schema::Struct(fields) = Point::schema() else {
        panic!("not a struct")
    };
    assert_eq!(fields[1], ("name", Schema::String { max: 4 }));
    assert_eq!(
        fields[2],
        (
            "tags",
            Schema::Array {
                max: 3,
                item: Box::new(Schema::UnsignedInt)
            }
        )
    );
    assert_eq!(Colour::schema(), Schema::Enum(vec![1, 5]));
    assert_eq!(
        Value::schema(),
        Schema::Union(vec![(1, Schema::Int), (7, Schema::String { max: STRING_MAX })])
    );
}
