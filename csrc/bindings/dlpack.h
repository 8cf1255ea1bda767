// DLPack: how array libraries lend each other memory, as C structures in a Python capsule. This is
// the part of its ABI, versions 0.x and 1.x, that arrays on the host or on one device need.
#pragma once

#include <cstdint>

namespace semopt::dlpack {

struct Device {
    int32_t kind, index;
};

struct DataType {
    uint8_t code, bits;
    uint16_t lanes;
};

struct Tensor {
    void* data;
    Device device;
    int32_t dimensions;
    DataType type;
    int64_t* shape;
    int64_t* strides;  // in elements; null: C order
    uint64_t byte_offset;
};

// Version 0.x; the borrower calls `deleter`, if there is one, when it is done.
struct Managed {
    Tensor tensor;
    void* context;
    void (*deleter)(Managed*);
    static constexpr const char *kName = "dltensor", *kUsed = "used_dltensor";
};

struct Versioned {
    uint32_t major, minor;
    void* context;
    void (*deleter)(Versioned*);
    uint64_t flags;
    Tensor tensor;
    static constexpr const char *kName = "dltensor_versioned", *kUsed = "used_dltensor_versioned";
};

constexpr uint32_t kMajor = 1;
constexpr uint64_t kReadOnly = 1;

}  // namespace semopt::dlpack
