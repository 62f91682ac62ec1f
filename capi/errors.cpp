// The failure that each thread remembers, and the version.
#include <new>

#include "capi/convert.h"
#include "melix/core/version.h"

namespace melix::c {
namespace {

struct Failure {
  melix_status status = MELIX_OK;
  std::string op, text;
};

Failure& failure() {
  thread_local Failure last;
  return last;
}

melix_status status_of(Code code) {
  switch (code) {
    case Code::value:
      return MELIX_VALUE_ERROR;
    case Code::type:
      return MELIX_TYPE_ERROR;
    case Code::index:
      return MELIX_INDEX_ERROR;
    case Code::memory:
      return MELIX_MEMORY_ERROR;
    case Code::io:
      return MELIX_IO_ERROR;
    case Code::runtime:
      break;
  }
  return MELIX_RUNTIME_ERROR;
}

// Where there is no memory for the text, the code still says what happened.
melix_status remember(melix_status status, const char* op, const char* text) noexcept {
  Failure& last = failure();
  last.status = status;
  try {
    last.op = op;
    last.text = text;
  } catch (...) {
    last.op.clear();
    last.text.clear();
  }
  return status;
}

}  // namespace

melix_status caught() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return remember(status_of(error.code()), error.op().c_str(), error.what());
  } catch (const std::bad_alloc&) {
    return remember(MELIX_MEMORY_ERROR, "", "out of memory");
  } catch (const std::exception& error) {
    return remember(MELIX_RUNTIME_ERROR, "", error.what());
  } catch (...) {
    return remember(MELIX_RUNTIME_ERROR, "", "an exception that is no error of melix");
  }
}

}  // namespace melix::c

using namespace melix::c;

const char* melix_error_text(void) { return failure().text.c_str(); }
const char* melix_error_op(void) { return failure().op.c_str(); }
void melix_set_error(melix_status status, const char* op, const char* text) {
  remember(status, op ? op : "", text ? text : "");
}

const char* melix_version(void) { return MELIX_VERSION; }
int melix_c_abi(void) { return MELIX_C_ABI; }
