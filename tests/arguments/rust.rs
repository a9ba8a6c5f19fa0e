// Scenario: Rust: modules, methods, generics, closures, trait objects; the chain of calls that the
// first argument names ends in pause().
// Expect: demangled names, lines and scalar values as a debugger prints them.
use std::io::Write;

extern "C" {
    fn pause() -> i32;
    fn alarm(seconds: u32) -> u32;
}

#[inline(never)]
fn wait_here() {
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        unsafe { pause() };
    }
}

mod mail {
    #[repr(u8)]
    #[derive(Clone, Copy)]
    pub enum Colour {
        Red = 1,
        Green = 5,
    }

    pub struct Folder {
        pub size: i32,
    }

    impl Folder {
        #[inline(never)]
        pub fn open(&self, key: i64, again: bool, byte: u8, ratio: f64) -> i32 {
            super::wait_here();
            self.size + key as i32 + again as i32 + byte as i32 + ratio as i32
        }
    }

    pub trait Store {
        fn put(&self, at: usize, colour: Colour) -> usize;
    }

    impl Store for Folder {
        #[inline(never)]
        fn put(&self, at: usize, colour: Colour) -> usize {
            super::wait_here();
            at + colour as usize + self.size as usize
        }
    }
}

#[inline(never)]
fn twice<T: std::ops::Add<Output = T> + Copy>(value: T, other: T) -> T {
    wait_here();
    value + other
}

#[inline(never)]
fn apply<F: Fn(i32) -> i32>(f: F, n: i32) -> i32 {
    f(n) + 1
}

fn run(scene: &str, n: i32) -> i32 {
    let folder = mail::Folder { size: n };
    match scene {
        "method" => folder.open(-7, true, 200, 0.5),
        "dynamic" => {
            let store: Box<dyn mail::Store> = Box::new(folder);
            store.put(3, mail::Colour::Green) as i32 + mail::Colour::Red as i32
        }
        "generic" => twice(n as i16, 5) as i32,
        "closure" => apply(
            |x| {
                wait_here();
                x * n
            },
            n + 1,
        ),
        _ => 0,
    }
}

fn main() {
    unsafe { alarm(120) };
    let arguments: Vec<String> = std::env::args().collect();
    std::process::exit(run(&arguments[1], arguments.len() as i32));
}
