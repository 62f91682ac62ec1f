// mx.random.state is a list of one array, the key that the process's sequence has come to: compile takes it for state
// like any other, and evaluating it evaluates the sequence. The list is the only place of the key, guarded by the
// interpreter lock; C++ code that draws without a key takes that lock for a moment.
//
// Drawing gives the array object in the list another handle. `state[0]` is therefore an object of its own, so that a
// key that somebody took out, or put in, stays what it was.
#include "python/src/random.h"

#include "melix/ops/random.h"
#include "python/src/generated.h"

namespace melix::python {
namespace {

class ListedKey final : public random::KeySource {
 public:
  explicit ListedKey(PyObject* list) : list_(list) {}

  array next() override {
    nb::gil_scoped_acquire lock;
    array& kept = key();
    auto both = random::split_key(kept);
    kept = std::move(both.first);
    return std::move(both.second);
  }

  void set(const array& to) override {
    nb::gil_scoped_acquire lock;
    key() = to;
  }

 private:
  array& key() const {
    PyObject* first = PyList_GET_SIZE(list_) > 0 ? PyList_GET_ITEM(list_, 0) : nullptr;
    if (!first || !is_array(first)) fail(Code::type, "random", "mx.random.state does not begin with a key");
    return array_of(first);
  }

  PyObject* list_;  // owned, and never given back: threads may draw as long as the interpreter lives
};

// An array object with a handle of its own; what is no array as it is. A new reference.
PyObject* copied(PyObject* object) { return is_array(object) ? wrap(array_of(object)) : Py_NewRef(object); }

PyObject* state_item(PyObject* self, PyObject* index) noexcept {
  PyObject* found = PyList_Type.tp_as_mapping->mp_subscript(self, index);
  if (!found || !is_array(found)) return found;
  return guarded([&] { return copied(nb::steal(found).ptr()); });
}

int set_state_item(PyObject* self, PyObject* index, PyObject* value) noexcept {
  PyObject* own = value ? guarded([&] { return copied(value); }) : nullptr;
  if (value && !own) return -1;
  int result = PyList_Type.tp_as_mapping->mp_ass_subscript(self, index, own);
  Py_XDECREF(own);
  return result;
}

// The class of the list.
nb::object state_type() {
  static const char doc[] = "The random key that the process has come to, as a list of one array.";
  static PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(doc)},
                                {Py_tp_base, &PyList_Type},
                                {Py_mp_subscript, reinterpret_cast<void*>(state_item)},
                                {Py_mp_ass_subscript, reinterpret_cast<void*>(set_state_item)},
                                {0, nullptr}};
  static PyType_Spec spec{"melix.core.random.State", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return steal(PyType_FromSpec(&spec));
}

}  // namespace

void bind_random_state(nb::module_& core) {
  nb::object state = state_type()();
  nb::borrow<nb::list>(state).append(to_object(random::arbitrary_key()));
  submodule(core, "random").attr("state") = state;
  static ListedKey* source = nullptr;
  if (!source) source = new ListedKey(state.release().ptr());
  random::set_key_source(source);
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { random::set_key_source(nullptr); }));
}

}  // namespace melix::python
