//! Results as numpy arrays: numpy adopts the memory that the crate filled, without a copy.

use std::ffi::c_int;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{ffi, intern};
use rustfits::{DataType, ImageData};

static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static MASKED_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The owner of an array's memory; arrays refer to it as their base.
#[pyclass(frozen, module = "rustfits._rustfits")]
pub(crate) struct Memory {
    address: usize,
    len: usize,
    /// Keeps the memory alive; never moved once the address was taken.
    _owner: Box<dyn std::any::Any + Send + Sync>,
}

impl Memory {
    pub(crate) fn new(owner: impl AsMut<[u8]> + Send + Sync + 'static) -> Self {
        let mut owner = Box::new(owner);
        let bytes = (*owner).as_mut();
        let (address, len) = (bytes.as_mut_ptr() as usize, bytes.len());
        Self { address, len, _owner: owner }
    }
}

#[pymethods]
impl Memory {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill"));
        }
        let (address, len) = (slf.get().address, slf.get().len);
        let writable = 0;
        // SAFETY: the view is not null; the memory lives as long as `slf`, which the view keeps a reference to, and nothing in Rust
        // touches it after it was handed over.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), address as *mut _, len as ffi::Py_ssize_t, writable, flags)
        };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// A new array of this dtype and shape over the memory.
pub(crate) fn ndarray<'py>(
    py: Python<'py>,
    shape: &[usize],
    dtype: impl IntoPyObject<'py>,
    owner: impl AsMut<[u8]> + Send + Sync + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    let class = NDARRAY.import(py, "numpy", "ndarray")?;
    let shape = PyTuple::new(py, shape)?;
    let memory = Memory::new(owner);
    if memory.len == 0 {
        return class.call1((shape, dtype));
    }
    class.call1((shape, dtype, memory))
}

/// The most axes of a numpy array, since numpy 2; before it were 32, of which numpy itself then speaks.
const MOST_NUMPY_AXES: usize = 64;

/// Pixels as they come from the crate.
pub(crate) struct Pixels(pub(crate) ImageData);

struct PixelMemory(ImageData);

impl AsMut<[u8]> for PixelMemory {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

impl<'py> IntoPyObject<'py> for Pixels {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(mut self, py: Python<'py>) -> PyResult<Self::Output> {
        let shape = self.0.shape().to_vec();
        if shape.len() > MOST_NUMPY_AXES {
            let message = format!(
                "the image has {} axes, an array of numpy at most {MOST_NUMPY_AXES}: read a section with integers for the others",
                shape.len()
            );
            return Err(PyValueError::new_err(message));
        }
        let code = self.0.data_type().code();
        let mask = self.0.take_mask();
        let values = ndarray(py, &shape, code, PixelMemory(self.0))?;
        let Some(mask) = mask else {
            // A single pixel comes out as numpy's own scalar.
            return if shape.is_empty() { values.get_item(PyTuple::empty(py)) } else { Ok(values) };
        };
        masked(&values, ndarray(py, &shape, "?", mask)?)
    }
}

/// What `__array__` gives numpy: the data that are read, of the dtype that it wishes.
pub(crate) fn as_array<'py>(
    awaited: bool,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
    read: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if awaited {
        return Err(PyTypeError::new_err("reading the data would block the event loop: use `await hdu.read()`"));
    }
    if copy == Some(false) {
        return Err(PyValueError::new_err("data of a file are always copied into an array: leave copy=False out"));
    }
    let array = read()?;
    dtype.map_or_else(|| Ok(array.clone()), |dtype| array.call_method1("astype", (dtype,)))
}

/// A masked array over these values.
pub(crate) fn masked<'py>(values: &Bound<'py, PyAny>, mask: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = values.py();
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "mask"), mask)?;
    MASKED_ARRAY.import(py, "numpy.ma", "MaskedArray")?.call((values,), Some(&keywords))
}

/// Numbers that are to be written: native byte order, C order, of a dtype that FITS has.
pub(crate) struct Numbers {
    pub(crate) data_type: DataType,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Lent,
}

/// The memory of a numpy array that is not copied; the array stays alive as long as this does.
pub(crate) struct Lent(PyUntypedBuffer);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer is C-contiguous (checked when it was taken) and holds this many bytes for as long as it is not released.
        // A Python thread that writes to the array meanwhile changes the numbers that are written, as with every numpy writer.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}

impl Lent {
    /// The memory of an array in C order.
    pub(crate) fn of(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(array)?;
        if !buffer.is_c_contiguous() {
            return Err(PyValueError::new_err("the array can't be made contiguous"));
        }
        Ok(Self(buffer))
    }
}

impl Numbers {
    /// Of what numpy makes an array of; what is masked is not looked at.
    pub(crate) fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        if is_plain_array(data)?
            && let Some(numbers) = Self::as_they_are(data)
        {
            return Ok(numbers);
        }
        let numpy = data.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (data,))?;
        let dtype = array.getattr("dtype")?.call_method1("newbyteorder", ("=",))?;
        let data_type = data_type_of(&dtype)?;
        let shape = array.getattr("shape")?.extract()?;
        let array = numpy.call_method1("ascontiguousarray", (array, dtype))?;
        Ok(Self { data_type, shape, values: Lent::of(&array)? })
    }
}

impl Numbers {
    /// Of an array that is as it is to be written; `None` where numpy has to make one.
    fn as_they_are(array: &Bound<'_, PyAny>) -> Option<Self> {
        // Where there are no axes, the buffer has no list of them.
        let values = Lent::of(array).ok().filter(|values| values.0.dimensions() > 0)?;
        let data_type = native_type(values.0.format().to_bytes(), values.0.item_size())?;
        Some(Self { data_type, shape: values.0.shape().to_vec(), values })
    }
}

/// The type of numbers that the format of a buffer names (as Python's `struct` has it), if their bytes are in native order.
fn native_type(format: &[u8], size: usize) -> Option<DataType> {
    let kind = match format {
        [b'B' | b'H' | b'I' | b'L' | b'Q'] => 'u',
        [b'b' | b'h' | b'i' | b'l' | b'q'] => 'i',
        [b'f' | b'd'] => 'f',
        _ => return None,
    };
    DataType::from_code(&format!("{kind}{size}"))
}

/// Whether an object is an array of numpy's own class, and not of one that adds a meaning to it, as a mask.
pub(crate) fn is_plain_array(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(data.get_type().is(NDARRAY.import(data.py(), "numpy", "ndarray")?))
}

/// The type that a dtype names, in any byte order.
pub(crate) fn data_type_of(dtype: &Bound<'_, PyAny>) -> PyResult<DataType> {
    let dtype = dtype.py().import("numpy")?.getattr("dtype")?.call1((dtype,))?.call_method1("newbyteorder", ("=",))?;
    let code: String = dtype.getattr("str")?.extract()?;
    DataType::from_code(code.trim_start_matches(['<', '>', '|', '='])).ok_or_else(|| {
        PyValueError::new_err(format!(
            "dtype {dtype} is not one that FITS has: u1 i2 i4 i8 f4 f8, and i1 u2 u4 u8; convert it with astype()"
        ))
    })
}
