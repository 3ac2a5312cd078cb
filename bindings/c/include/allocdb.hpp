/*
 * allocdb.hpp - AllocDB for C++17 and later: a thin layer over allocdb.h, header-only.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *     #include <allocdb.hpp>
 *     #include <cstdio>
 *
 *     int main()
 *     {
 *         using namespace allocdb::literals;
 *         using namespace std::chrono_literals;
 *
 *         auto db = allocdb::database::open("venue");
 *         if (!db)
 *             return std::fprintf(stderr, "%s\n", db.error().message()), 1;
 *         if (auto made = db->create("seat_21A"_id); !made)
 *             return std::fprintf(stderr, "%s\n", made.error().message()), 1;
 *         auto seat = db->reserve("seat_21A"_id, "alice"_id, 60s);
 *         std::puts(seat && seat->granted() ? "yours for a minute" : "taken");
 *     }
 *
 *     c++ -std=c++17 venue.cpp $(pkg-config --cflags --libs allocdb)
 *
 * WHAT IT ADDS TO THE C API, which allocdb.h explains and which all of this ends in
 *
 *   - database closes itself and can be moved; a call on one that was closed or moved from answers
 *     status::closed, and is never undefined.
 *   - Ids from names ("seat_21A"_id, id::from_name), with comparison, hash and text.
 *   - TTLs as std::chrono durations, rounded up so that a hold is never shorter than asked.
 *   - An operation is made for every command that comes without one, and shown in the answer, also
 *     in the answer of a failure: so that what failed indefinitely can be repeated as it was.
 *   - database::hold: a lease that a thread of its own keeps alive, and that tells when it is lost.
 *   - result<T> in the manner of std::expected. No exceptions unless asked for: all of it works
 *     with -fno-exceptions. With exceptions, result::value() throws, and allocdb::throwing has the
 *     same database with plain return values.
 *
 * COSTS. Nothing is allocated but by what says so (batch, hold, metrics_text(), log_text(),
 * to_string).
 * A call is a call of the C function, with its error written straight into the result.
 *
 * THREADS. One database may be used by any number of threads at once, and closed by one of them
 * while others call. Moving it, assigning to it and destroying it are for one thread alone, as with
 * any object. A reservation may be used by any thread; a batch and a listing by one at a time.
 *
 * FORKS. A child must not use what its parent opened: status::forked. Destroying it there touches
 * no file.
 *
 * ERRORS OF EVERY CALL, not repeated below: status::invalid, closed, forked, reentrant (misuse) and
 * panic (indefinite). OF EVERY COMMAND: malformed, slot_overflow, slot_leap, operation_expired,
 * valid_until_out_of_range, operation_conflict, operation_table_full, overloaded, lsn_exhausted,
 * storage_full, read_only (definite: nothing happened), storage_failure, halted (indefinite: open
 * again, and repeat the same operation).
 *
 * THE SURPRISING CHOICE. The C header names its handle's type `allocdb`, which a namespace cannot
 * be called beside. So this header includes it with that one type renamed to allocdb_handle, and
 * must come first. Another name for the namespace would have been worse: it is what users write.
 */
#ifndef ALLOCDB_HPP
#define ALLOCDB_HPP

#ifdef ALLOCDB_H
#error "include allocdb.hpp before allocdb.h, or instead of it: see the end of its opening comment"
#endif

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "allocdb.hpp needs C++17"
#endif

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <mutex>
#include <ratio>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#define allocdb allocdb_handle
#include "allocdb.h"
#undef allocdb

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define ALLOCDB_HAS_EXCEPTIONS 1
#include <exception>
#else
#define ALLOCDB_HAS_EXCEPTIONS 0
#endif

namespace allocdb
{

/* ---- numbers with names ---- */

/// As `slot`: now, by the system clock; with ALLOCDB_CLOCK_HOST the last applied slot.
inline constexpr std::uint64_t slot_now = ALLOCDB_SLOT_NOW;

/// What a call answered: allocdb.h says what each means. A number that is not named here is of a
/// later version: go by its category.
enum class status : std::int32_t {
    ok = ALLOCDB_OK,
    invalid = ALLOCDB_E_INVALID,
    struct_size = ALLOCDB_E_STRUCT_SIZE,
    buffer_too_small = ALLOCDB_E_BUFFER_TOO_SMALL,
    overlap = ALLOCDB_E_OVERLAP,
    closed = ALLOCDB_E_CLOSED,
    forked = ALLOCDB_E_FORKED,
    reentrant = ALLOCDB_E_REENTRANT,
    malformed = ALLOCDB_E_MALFORMED,
    command_too_large = ALLOCDB_E_COMMAND_TOO_LARGE,
    bundle_too_large = ALLOCDB_E_BUNDLE_TOO_LARGE,
    duplicate_resource = ALLOCDB_E_DUPLICATE_RESOURCE,
    ttl_out_of_range = ALLOCDB_E_TTL_OUT_OF_RANGE,
    slot_overflow = ALLOCDB_E_SLOT_OVERFLOW,
    slot_leap = ALLOCDB_E_SLOT_LEAP,
    operation_expired = ALLOCDB_E_OPERATION_EXPIRED,
    valid_until_out_of_range = ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE,
    operation_conflict = ALLOCDB_E_OPERATION_CONFLICT,
    operation_table_full = ALLOCDB_E_OPERATION_TABLE_FULL,
    overloaded = ALLOCDB_E_OVERLOADED,
    lsn_exhausted = ALLOCDB_E_LSN_EXHAUSTED,
    storage_full = ALLOCDB_E_STORAGE_FULL,
    read_only = ALLOCDB_E_READ_ONLY,
    io = ALLOCDB_E_IO,
    locked = ALLOCDB_E_LOCKED,
    directory_not_found = ALLOCDB_E_DIRECTORY_NOT_FOUND,
    not_a_database = ALLOCDB_E_NOT_A_DATABASE,
    corrupt = ALLOCDB_E_CORRUPT,
    config_mismatch = ALLOCDB_E_CONFIG_MISMATCH,
    version = ALLOCDB_E_VERSION,
    no_memory = ALLOCDB_E_NO_MEMORY,
    unsupported_fs = ALLOCDB_E_UNSUPPORTED_FS,
    exists = ALLOCDB_E_EXISTS,
    storage_failure = ALLOCDB_E_STORAGE_FAILURE,
    halted = ALLOCDB_E_HALTED,
    panic = ALLOCDB_E_PANIC,
    id_not_found = ALLOCDB_ID_NOT_FOUND,
    retired = ALLOCDB_RETIRED,
    fence_not_applied = ALLOCDB_FENCE_NOT_APPLIED,
};

/// The band of a status, by which a program decides what to do.
enum class category : std::uint32_t {
    ok = ALLOCDB_CATEGORY_OK,
    misuse = ALLOCDB_CATEGORY_MISUSE,         ///< A mistake in the program. Nothing happened.
    definite = ALLOCDB_CATEGORY_DEFINITE,     ///< Nothing happened, and nothing will.
    open = ALLOCDB_CATEGORY_OPEN,             ///< Opening and files.
    indefinite = ALLOCDB_CATEGORY_INDEFINITE, ///< Nobody can know yet: open again and repeat.
    read = ALLOCDB_CATEGORY_READ,             ///< A read's answer.
    unknown = ALLOCDB_CATEGORY_UNKNOWN,
};

/// How a command was decided. Not an error: committed and definite, whatever it says.
enum class result_code : std::uint32_t {
    done = ALLOCDB_DONE,
    resource_exists = ALLOCDB_RESOURCE_EXISTS,
    resource_table_full = ALLOCDB_RESOURCE_TABLE_FULL,
    resource_not_found = ALLOCDB_RESOURCE_NOT_FOUND,
    resource_busy = ALLOCDB_RESOURCE_BUSY,
    reservation_table_full = ALLOCDB_RESERVATION_TABLE_FULL,
    expiration_index_full = ALLOCDB_EXPIRATION_INDEX_FULL,
    reservation_not_found = ALLOCDB_RESERVATION_NOT_FOUND,
    reservation_retired = ALLOCDB_RESERVATION_RETIRED,
    holder_mismatch = ALLOCDB_HOLDER_MISMATCH,
    invalid_state = ALLOCDB_INVALID_STATE,
};

/// The state of a resource.
enum class resource_state : std::uint32_t {
    available = ALLOCDB_RESOURCE_STATE_AVAILABLE, ///< Nobody has it.
    reserved = ALLOCDB_RESOURCE_STATE_RESERVED,   ///< Held until a deadline.
    confirmed = ALLOCDB_RESOURCE_STATE_CONFIRMED, ///< Held until released or revoked.
    revoking = ALLOCDB_RESOURCE_STATE_REVOKING,   ///< Lost by its holder, not yet reusable.
};

/// The state of a reservation; from `released` on it has ended for ever (R83).
enum class reservation_state : std::uint32_t {
    reserved = ALLOCDB_RESERVATION_STATE_RESERVED,
    confirmed = ALLOCDB_RESERVATION_STATE_CONFIRMED,
    revoking = ALLOCDB_RESERVATION_STATE_REVOKING,
    released = ALLOCDB_RESERVATION_STATE_RELEASED,
    expired = ALLOCDB_RESERVATION_STATE_EXPIRED,
    revoked = ALLOCDB_RESERVATION_STATE_REVOKED,
};

/// The name of a status, such as "ALLOCDB_E_OVERLOADED". Never null, static. Callable anywhere.
inline const char *name(status value) noexcept
{
    return allocdb_status_name(static_cast<allocdb_status>(value));
}

/// The name of a result code, such as "resource_busy". Never null, static. Callable anywhere.
inline const char *name(result_code value) noexcept
{
    return allocdb_result_name(static_cast<std::uint32_t>(value));
}

/// The band of a status; right also for statuses of later versions. Callable anywhere.
inline category category_of(status value) noexcept
{
    return static_cast<category>(allocdb_status_category(static_cast<allocdb_status>(value)));
}

/* ---- a view of memory ---- */

/// A pointer and a length: memory of the caller's, looked at during a call and not kept. Made from
/// an array, a vector, a std::span, an initializer list, whatever has data() and size(). As
/// unchecked as a pointer. C++17 has no std::span; where there is one, each converts to the other.
template <class T>
class span
{
    T *data_ = nullptr;
    std::size_t size_ = 0;

    // Apart, because compilers warn of a list's pointer that is kept; here it is meant.
    static constexpr const std::remove_cv_t<T> *
    begin_of(const std::initializer_list<std::remove_cv_t<T>> &list) noexcept
    {
        return list.begin();
    }

  public:
    using value_type = std::remove_cv_t<T>;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    template <class Range,
              class = std::enable_if_t<
                  !std::is_same_v<std::remove_cv_t<std::remove_reference_t<Range>>, span> &&
                  std::is_convertible_v<decltype(std::declval<Range &>().data()), T *> &&
                  std::is_convertible_v<decltype(std::declval<Range &>().size()), std::size_t>>>
    constexpr span(Range &&range) noexcept : data_(range.data()), size_(range.size()) {}
    /// Only for a span of const, and only as an argument: the list dies with the full expression.
    template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
    constexpr span(std::initializer_list<value_type> list) noexcept
        : data_(begin_of(list)), size_(list.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
};

/* ---- ids ---- */

namespace detail
{

/// The bytes of a UTF-8 sequence, by its first byte and the ones behind it; 0 where it is none.
constexpr std::size_t utf8_len(const char *text, std::size_t left) noexcept
{
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [byte](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };

    if (byte(0) < 0x80)
        return 1;
    if (byte(0) >= 0xC2 && byte(0) < 0xE0)
        return left >= 2 && follows(1) ? 2 : 0;
    if (byte(0) >= 0xE0 && byte(0) < 0xF0) {
        if (left < 3 || !follows(1) || !follows(2))
            return 0;
        // Neither overlong nor a surrogate.
        return (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xED && byte(1) > 0x9F) ? 0 : 3;
    }
    if (byte(0) >= 0xF0 && byte(0) < 0xF5) {
        if (left < 4 || !follows(1) || !follows(2) || !follows(3))
            return 0;
        return (byte(0) == 0xF0 && byte(1) < 0x90) || (byte(0) == 0xF4 && byte(1) > 0x8F) ? 0 : 4;
    }
    return 0;
}

/// Whether a name can be packed: 1 to 15 bytes of UTF-8 without NUL (R103, R104).
constexpr bool is_packable(const char *text, std::size_t len) noexcept
{
    if (len == 0 || len > 15)
        return false;
    for (std::size_t i = 0; i < len;) {
        const std::size_t step = text[i] != 0 ? utf8_len(text + i, len - i) : 0;

        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

/// A packed name: its bytes, padded to 15, as 30 hexadecimal digits, with the version 8 put in as
/// the 13th digit of 32 and the variant 8 as the 17th (R104). The first 12 digits are the first 6
/// bytes; then come half a byte's shifts; the last 7 bytes are as they are.
constexpr allocdb_id packed(const char *text, std::size_t len) noexcept
{
    const auto byte = [text, len](std::size_t i) -> std::uint64_t {
        return i < len ? static_cast<unsigned char>(text[i]) : 0u;
    };
    std::uint64_t hi = 0;
    std::uint64_t lo = 0;

    for (std::size_t i = 0; i < 6; i++)
        hi = hi << 8 | byte(i);
    hi = hi << 16 | 0x8000u | byte(6) << 4 | byte(7) >> 4;
    for (std::size_t i = 8; i < 15; i++)
        lo = lo << 8 | byte(i);
    lo |= (0x80u | (byte(7) & 0x0Fu)) << 56;
    return {lo, hi};
}

/// What cannot be packed while compiling: the library decides. Zero if it is no name.
inline allocdb_id named_by_library(const char *text, std::size_t len) noexcept
{
    allocdb_id made = {0, 0};

    return allocdb_id_from_name(text, len, &made, nullptr) == ALLOCDB_OK ? made : allocdb_id{0, 0};
}

} // namespace detail

/// An id as text, in memory of its own: a name of at most 15 bytes, or a UUID.
struct id_text {
    char bytes[37]; ///< NUL-terminated.

    /// Lives as long as this object.
    const char *c_str() const noexcept { return bytes; }
    /// Lives as long as this object.
    std::string_view view() const noexcept { return bytes; }
};

template <class T>
class result;

/// A 128-bit id: of a resource, a holder, an operation or a reservation. Zero is never one (R1).
/// It is an allocdb_id, converts from and to it, and compares in the order of the UUID's bytes.
class id : public allocdb_id
{
  public:
    /// No id.
    constexpr id() noexcept : allocdb_id{0, 0} {}
    /// From the C API's.
    constexpr id(allocdb_id raw) noexcept : allocdb_id(raw) {}
    /// From a number: the low 64 bits, and the high ones.
    constexpr explicit id(std::uint64_t low, std::uint64_t high = 0) noexcept
        : allocdb_id{low, high} {}

    /// The id of a name (R103 to R105), the same in every language. Errors: status::invalid, with
    /// what is wrong with the name: it must be 1 to 1,024 bytes of UTF-8 without NUL. Callable
    /// anywhere.
    static result<id> from_name(std::string_view text) noexcept;

    /// The id that text() shows (R107): 36 characters of a UUID in either case, or a name of at
    /// most 15 bytes. Errors: status::invalid, with what is wrong; a longer name is refused, since
    /// a mistyped UUID would become a new id. Callable anywhere.
    static result<id> parse(std::string_view text) noexcept;

    /// A random id (a version 4 UUID); zero, which no command accepts, if the kernel has no random
    /// numbers to give. Callable anywhere.
    static id random() noexcept { return allocdb_id_random(); }

    /// From the 16 bytes of a UUID: big-endian, hi before lo.
    static id from_bytes(const std::uint8_t (&bytes)[16]) noexcept
    {
        return allocdb_id_from_bytes(bytes);
    }

    /// As the 16 bytes of a UUID: big-endian, hi before lo.
    void to_bytes(std::uint8_t (&bytes)[16]) const noexcept { allocdb_id_to_bytes(*this, bytes); }

    /// As text: the name that is packed in it, else a UUID in lower case (R106). Allocates
    /// nothing.
    id_text text() const noexcept
    {
        id_text made;

        allocdb_id_format(*this, made.bytes);
        return made;
    }

    /// As text. Allocates what a std::string does.
    std::string to_string() const { return std::string(text().view()); }

    /// Whether it is one: not zero.
    constexpr explicit operator bool() const noexcept { return (lo | hi) != 0; }

    friend constexpr bool operator==(const id &a, const id &b) noexcept
    {
        return a.lo == b.lo && a.hi == b.hi;
    }
    friend constexpr bool operator!=(const id &a, const id &b) noexcept { return !(a == b); }
    friend constexpr bool operator<(const id &a, const id &b) noexcept
    {
        return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo;
    }
    friend constexpr bool operator>(const id &a, const id &b) noexcept { return b < a; }
    friend constexpr bool operator<=(const id &a, const id &b) noexcept { return !(b < a); }
    friend constexpr bool operator>=(const id &a, const id &b) noexcept { return !(a < b); }
    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out,
                                                        const id &value)
    {
        return out << value.text().c_str();
    }
};

static_assert(sizeof(id) == sizeof(allocdb_id) && std::is_trivially_copyable_v<id>,
              "an array of id is an array of allocdb_id");

namespace literals
{

/// "seat_21A"_id: the id of a name. Packed while compiling up to 15 bytes; a longer one is made by
/// the library at run time. What is no name (empty, with a NUL, not UTF-8) is a zero id at run
/// time, which every command refuses as malformed, and an error in a constexpr.
constexpr id operator""_id(const char *text, std::size_t len) noexcept
{
    if (detail::is_packable(text, len))
        return detail::packed(text, len);
    return detail::named_by_library(text, len);
}

} // namespace literals

/* ---- failures and results ---- */

/// Names one logical operation, so that a retry can repeat it: the same operation with the same
/// command gets the first answer (R60), with another command operation_conflict (R61). All zero:
/// none given, and the database makes one.
struct operation {
    allocdb::id id = {};                ///< Unique within the dedupe window. A random id is right.
    std::uint64_t valid_until_slot = 0; ///< The last slot it may be executed at (R34); 0: no limit.

    /// Whether there is one.
    constexpr explicit operator bool() const noexcept { return static_cast<bool>(id); }
};

/// The story of a failed call: a value, nothing to free. Threads: as any value.
class failure
{
    allocdb_error raw_ = {};
    allocdb::operation operation_ = {};

  public:
    /// No failure.
    failure() noexcept = default;

    /// A failure that this layer tells by itself. The message is cut at 215 bytes.
    failure(allocdb::status what, const char *message) noexcept
    {
        raw_.status = static_cast<allocdb_status>(what);
        std::snprintf(raw_.message, sizeof raw_.message, "%s", message);
    }

    /// What kind; status::ok if there was no failure.
    allocdb::status status() const noexcept { return static_cast<allocdb::status>(raw_.status); }
    /// Its band.
    allocdb::category category() const noexcept { return category_of(status()); }
    /// One line for people: which field, which value, which bound, which file. Never null; lives
    /// as long as this object.
    const char *message() const noexcept { return raw_.message; }
    /// The errno of the system call that failed; 0 if none did.
    int os_errno() const noexcept { return raw_.os_errno; }
    /// Numbers for programs: words 0 to 3, tabled by status in allocdb.h; 0 for any other index.
    std::uint64_t detail(std::size_t index) const noexcept
    {
        return index < 4 ? raw_.detail[index] : 0;
    }
    /// The operation of the command that failed, given or made: what to repeat after an indefinite
    /// failure. Zero where it was not one command.
    const allocdb::operation &operation() const noexcept { return operation_; }
    /// Nobody can know yet whether it took effect: open again, and repeat the same operation.
    bool is_indefinite() const noexcept { return category() == category::indefinite; }
    /// Nothing happened, for certain, and nothing will. Also true of a misuse.
    bool is_definite() const noexcept
    {
        return category() == category::definite || category() == category::misuse;
    }
    /// "ALLOCDB_E_LOCKED: the message". Allocates.
    std::string to_string() const { return std::string(name(status())) + ": " + raw_.message; }

    /// The C struct, for calls of the C API. Lives as long as this object.
    allocdb_error *native() noexcept { return &raw_; }
    /// Notes which operation it was.
    void operation_set(const allocdb::operation &value) noexcept { operation_ = value; }
};

#if ALLOCDB_HAS_EXCEPTIONS

namespace detail
{
[[noreturn]] inline void raise(const failure &what);
}

#endif

/// What a call gives: a T, or the failure. In the manner of std::expected, with one difference: a
/// failed result holds an empty T (zero ids, a closed database), so that looking at it by mistake
/// is not undefined. Threads: as any value.
template <class T>
class [[nodiscard]] result
{
    failure failure_ = {};
    T value_ = {};

  public:
    /// An empty value.
    result() = default;
    /// A value.
    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
    /// A failure.
    result(failure what) noexcept(std::is_nothrow_default_constructible_v<T>) : failure_(what) {}

    /// Whether the call succeeded.
    bool has_value() const noexcept { return failure_.status() == status::ok; }
    /// Whether the call succeeded. For a command: it was committed; its code says how it was
    /// decided.
    explicit operator bool() const noexcept { return has_value(); }
    /// The value; an empty one after a failure.
    T &operator*() & noexcept { return value_; }
    const T &operator*() const & noexcept { return value_; }
    T &&operator*() && noexcept { return std::move(value_); }
    T *operator->() noexcept { return &value_; }
    const T *operator->() const noexcept { return &value_; }
    /// The failure; of status::ok after a success.
    const failure &error() const noexcept { return failure_; }
    failure &error() noexcept { return failure_; }
    /// The value, or another one after a failure.
    template <class U>
    T value_or(U &&other) const &
    {
        return has_value() ? value_ : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    T value_or(U &&other) &&
    {
        return has_value() ? std::move(value_) : static_cast<T>(std::forward<U>(other));
    }

#if ALLOCDB_HAS_EXCEPTIONS
    /// The value, or an exception: see allocdb::error. Not there with -fno-exceptions.
    T &value() &
    {
        if (!has_value())
            detail::raise(failure_);
        return value_;
    }
    const T &value() const &
    {
        if (!has_value())
            detail::raise(failure_);
        return value_;
    }
    T &&value() &&
    {
        if (!has_value())
            detail::raise(failure_);
        return std::move(value_);
    }
#endif
};

/// What a call gives that has nothing to say but whether it succeeded.
template <>
class [[nodiscard]] result<void>
{
    failure failure_ = {};

  public:
    result() noexcept = default;
    result(failure what) noexcept : failure_(what) {}

    /// Whether the call succeeded.
    bool has_value() const noexcept { return failure_.status() == status::ok; }
    explicit operator bool() const noexcept { return has_value(); }
    /// The failure; of status::ok after a success.
    const failure &error() const noexcept { return failure_; }
    failure &error() noexcept { return failure_; }

#if ALLOCDB_HAS_EXCEPTIONS
    /// Nothing, or an exception.
    void value() const
    {
        if (!has_value())
            detail::raise(failure_);
    }
#endif
};

inline result<id> id::from_name(std::string_view text) noexcept
{
    result<id> made;

    // The result holds the failure; the id is zero then.
    (void)!allocdb_id_from_name(text.empty() ? "" : text.data(), text.size(), &*made,
                                made.error().native());
    return made;
}

inline result<id> id::parse(std::string_view text) noexcept
{
    result<id> made;

    (void)!allocdb_id_parse(text.empty() ? "" : text.data(), text.size(), &*made,
                            made.error().native());
    return made;
}

/* ---- time ---- */

/// A number of slots, exactly: where a host counts time by itself.
struct slots {
    std::uint64_t count = 0;

    constexpr explicit slots(std::uint64_t number) noexcept : count(number) {}
};

/// How long to hold something: any std::chrono duration, or exactly so many slots.
///
/// A duration becomes ceil(duration / slot) + 1 slots: a hold begins somewhere within a slot, so
/// the one more makes sure that it is never shorter than asked. A duration of nothing or less is 0
/// slots, which the database refuses (status::ttl_out_of_range, R27), and so is one of more than
/// max_ttl_slots.
class ttl
{
    static constexpr std::uint64_t greatest = UINT64_MAX;
    std::uint64_t amount_; // slots, or nanoseconds; `greatest` stands for all that is more
    bool is_exact_;

    // From `count` ticks of num/den nanoseconds, rounded up.
    template <class Rep>
    static constexpr std::uint64_t ns_of(Rep count, std::uint64_t num, std::uint64_t den) noexcept
    {
        if (!(count > Rep{0})) // a NaN too
            return 0;
        if constexpr (std::is_floating_point_v<Rep>) {
            const long double ns = static_cast<long double>(count) *
                                   static_cast<long double>(num) / static_cast<long double>(den);

            if (ns >= 18446744073709551614.0L)
                return greatest;
            const auto whole = static_cast<std::uint64_t>(ns);
            return static_cast<long double>(whole) < ns ? whole + 1 : whole;
        } else {
            const auto ticks = static_cast<std::uint64_t>(count);
            std::uint64_t whole = 0;
            std::uint64_t rest = 0;

            if (__builtin_mul_overflow(ticks / den, num, &whole) ||
                __builtin_mul_overflow(ticks % den, num, &rest) ||
                __builtin_add_overflow(whole, rest / den + (rest % den != 0), &whole))
                return greatest;
            return whole;
        }
    }

  public:
    /// Exactly so many slots.
    constexpr ttl(slots exact) noexcept : amount_(exact.count), is_exact_(true) {}
    /// At least so long.
    template <class Rep, class Period>
    constexpr ttl(std::chrono::duration<Rep, Period> duration) noexcept
        : amount_(ns_of(duration.count(),
                        static_cast<std::uint64_t>(std::ratio_divide<Period, std::nano>::num),
                        static_cast<std::uint64_t>(std::ratio_divide<Period, std::nano>::den))),
          is_exact_(false) {}

    /// In slots of so many milliseconds (at least 1).
    constexpr std::uint64_t to_slots(std::uint64_t slot_duration_ms) const noexcept
    {
        if (is_exact_ || amount_ == 0 || amount_ == greatest)
            return amount_;
        const std::uint64_t slot_ns = slot_duration_ms * 1000000u;

        return amount_ / slot_ns + (amount_ % slot_ns != 0) + 1;
    }
};

/* ---- what calls take and give ---- */

/// How to open a database: allocdb_options, with every field at its default, which is zero.
/// allocdb.h explains the fields.
struct options : allocdb_options {
    options() noexcept { allocdb_options_init(this, sizeof(allocdb_options)); }
    options(const allocdb_options &raw) noexcept : allocdb_options(raw) {}
};

/// The figures of health(): allocdb_health, explained in allocdb.h.
struct health_figures : allocdb_health {
    health_figures() noexcept : allocdb_health() { struct_size = sizeof(allocdb_health); }
};

/// What recovery found when the database was opened: allocdb_recovery_report.
struct recovery_report : allocdb_recovery_report {
    recovery_report() noexcept : allocdb_recovery_report()
    {
        struct_size = sizeof(allocdb_recovery_report);
    }
};

/// The answer to one command (R23).
struct outcome {
    /// ok: committed. Otherwise the rest says nothing: the call failed with this status, or state
    /// rejected this one command of a batch. Before any answer: invalid.
    allocdb::status status = allocdb::status::invalid;
    /// How it was decided.
    result_code code = result_code::done;
    /// The log position at which it was first applied: what a later read can be fenced with.
    std::uint64_t lsn = 0;
    /// The reservation that was made or changed; zero if none. Grows with every new one, so it is
    /// the fencing token to show to outside systems (R2).
    id reservation_id = {};
    /// The deadline that a reserve or extend set; 0 otherwise.
    std::uint64_t deadline_slot = 0;
    /// Which resource of a reserve failed, counted from 0 (R44); ALLOCDB_NO_INDEX otherwise.
    std::uint32_t failed_index = ALLOCDB_NO_INDEX;
    /// Whether this repeats the answer of an earlier submission of the same operation (R60).
    bool from_retry_cache = false;
    /// The operation of the command, given or made: what to repeat.
    allocdb::operation operation = {};

    outcome() noexcept = default;
    /// From the C API's.
    outcome(const allocdb_outcome &raw, const allocdb::operation &used) noexcept
        : status(static_cast<allocdb::status>(raw.status)),
          code(static_cast<result_code>(raw.code)), lsn(raw.lsn),
          reservation_id(raw.reservation_id), deadline_slot(raw.deadline_slot),
          failed_index(raw.failed_index), from_retry_cache(raw.from_retry_cache != 0),
          operation(used) {}

    /// Whether it took effect: committed, and result_code::done.
    bool ok() const noexcept { return status == allocdb::status::ok && code == result_code::done; }

#if ALLOCDB_HAS_EXCEPTIONS
    /// Throws result_error (busy_error for resource_busy) unless it took effect.
    void raise_for_code() const;
#endif
};

/// A resource, as a read or a listing shows it.
struct resource_info {
    id resource_id = {};
    id reservation_id = {};    ///< Its live reservation; zero if it is available.
    id holder_id = {};         ///< Who holds that; zero if it is available.
    std::uint64_t version = 0; ///< Grows by one with each change of state (R8).
    resource_state state = resource_state::available;

    resource_info() noexcept = default;
    explicit resource_info(const allocdb_resource &raw) noexcept
        : resource_id(raw.resource_id), reservation_id(raw.reservation_id),
          holder_id(raw.holder_id), version(raw.version),
          state(static_cast<resource_state>(raw.state)) {}
};

/// A reservation, as a read or a listing shows it.
struct reservation_info {
    id reservation_id = {};
    id holder_id = {};
    id first_resource_id = {};
    std::uint64_t created_lsn = 0;       ///< The log position of its reserve.
    std::uint64_t deadline_slot = 0;     ///< From this slot on a reserved one may be freed (R55).
    std::uint64_t ended_lsn = 0;         ///< Where it ended; 0 while it lives.
    std::uint64_t retire_after_slot = 0; ///< When it is forgotten (R15); 0 while it lives.
    reservation_state state = reservation_state::reserved;
    std::uint32_t resource_count = 0; ///< How many resources it holds or held.
    span<const id> resources = {};    ///< Those asked for, in memory of the caller's.

    reservation_info() noexcept = default;
    explicit reservation_info(const allocdb_reservation &raw) noexcept
        : reservation_id(raw.reservation_id), holder_id(raw.holder_id),
          first_resource_id(raw.first_resource_id), created_lsn(raw.created_lsn),
          deadline_slot(raw.deadline_slot), ended_lsn(raw.ended_lsn),
          retire_after_slot(raw.retire_after_slot),
          state(static_cast<reservation_state>(raw.state)), resource_count(raw.resource_count) {}
};

/// What tick() did.
struct tick_result {
    std::uint64_t lsn = 0;           ///< The expiry's log position; 0: nothing was due.
    std::uint64_t slot = 0;          ///< The slot it was applied at, or the last applied one.
    std::uint64_t due_count = 0;     ///< Reservations still due at that slot: tick again.
    std::uint32_t expired_count = 0; ///< Reservations that it ended.
};

/// Log lines that were taken out.
struct log_lines {
    std::string_view text = {};  ///< Whole lines, each with a line feed, in memory of the caller's.
    std::uint64_t dropped = 0;   ///< Lines lost since the last read: the ring was full.
};

/// Which rows a listing shows. Empty: all.
class filter
{
    allocdb_filter raw_ = {};

  public:
    filter() noexcept = default;
    /// Rows in this state too; without any call, rows in every state.
    filter &in(resource_state state) noexcept
    {
        raw_.states |= 1u << static_cast<std::uint32_t>(state);
        return *this;
    }
    filter &in(reservation_state state) noexcept
    {
        raw_.states |= 1u << static_cast<std::uint32_t>(state);
        return *this;
    }
    /// Rows of this holder only.
    filter &of(const id &holder) noexcept
    {
        raw_.holder_id = holder;
        return *this;
    }
    /// The C struct.
    const allocdb_filter &native() const noexcept { return raw_; }
};

namespace detail
{

/// A handle with what conversions need to know: copied into whatever makes calls. The handle stays
/// valid for ever, also after it was closed: the library answers status::closed through it.
struct handle {
    allocdb_handle *native = nullptr;
    std::uint64_t slot_duration_ms = 1;
    std::uint64_t operation_window_slots = 0;
    bool is_host_clock = false;

    /// Tells a handle that was never there, without a call.
    bool is_missing(failure &told) const noexcept
    {
        if (native == nullptr)
            told = failure(status::closed, "the database was never opened, or was moved from");
        return native == nullptr;
    }

    /// The operation to use: the caller's, or a new one that is valid for the dedupe window from
    /// the slot that the command comes with. A host clock's last slot is not known here: then the
    /// operation has no limit.
    operation named(const operation &given, std::uint64_t slot) const noexcept
    {
        if (given)
            return given;
        const allocdb_operation made = allocdb_operation_new(native);
        if (slot != slot_now)
            return {made.id, slot <= UINT64_MAX - operation_window_slots
                                 ? slot + operation_window_slots
                                 : 0};
        return {made.id, is_host_clock ? 0 : made.valid_until_slot};
    }

    /// Runs one command: names its operation, and puts outcome or failure into a result.
    template <class Call>
    result<outcome> run(const operation &given, std::uint64_t slot, Call call) const noexcept
    {
        result<outcome> answer;
        allocdb_outcome raw;

        if (is_missing(answer.error()))
            return answer;
        const operation used = named(given, slot);
        // A failed call's outcome is zero, and would read as done.
        raw.status = call(allocdb_operation{used.id, used.valid_until_slot}, &raw,
                          answer.error().native());
        *answer = outcome(raw, used);
        answer.error().operation_set(used);
        return answer;
    }
};

} // namespace detail

/* ---- a reservation ---- */

/// What a reserve was answered, with the calls that follow on it. A value: the reservation itself
/// is in the database and is not released when this goes. It may outlive the database object:
/// then its calls answer status::closed. Threads: any may call; each call is independent.
class reservation
{
    detail::handle handle_ = {};
    allocdb::outcome outcome_ = {};
    id holder_ = {};

    // The failure of a call on what was never granted.
    bool is_refused(result<allocdb::outcome> &answer) const noexcept
    {
        if (granted() || handle_.is_missing(answer.error()))
            return !granted();
        char message[128];
        std::snprintf(message, sizeof message, "the reservation was not granted: %s",
                      outcome_.status == status::ok ? name(outcome_.code) : name(outcome_.status));
        answer.error() = failure(status::invalid, message);
        return true;
    }

  public:
    /// None: not granted.
    reservation() noexcept = default;
    /// Made by database::reserve and adopt.
    reservation(const detail::handle &on, const allocdb::outcome &from, const id &holder) noexcept
        : handle_(on), outcome_(from), holder_(holder) {}

    /// Whether it was granted. If not, code() tells why, and no call may follow.
    bool granted() const noexcept
    {
        return outcome_.ok() && static_cast<bool>(outcome_.reservation_id);
    }
    /// How the reserve was decided: done, or resource_busy, ...
    result_code code() const noexcept { return outcome_.code; }
    /// The reserve's whole outcome.
    const allocdb::outcome &outcome() const noexcept { return outcome_; }
    /// The reservation's id; zero if it was not granted.
    id reservation_id() const noexcept { return outcome_.reservation_id; }
    /// The fencing token: the same id. It grows with every new reservation of the database (R2), so
    /// an outside system that remembers the greatest one it saw can refuse a holder that lost.
    id token() const noexcept { return outcome_.reservation_id; }
    /// Who holds it.
    id holder_id() const noexcept { return holder_; }

    /// Makes it permanent (R46): it has no deadline any more. See database::confirm. Errors also:
    /// status::invalid if it was not granted.
    result<allocdb::outcome> confirm(const operation &op = {},
                                     std::uint64_t slot = slot_now) const noexcept;
    /// Moves the deadline, never to an earlier one (R48). See database::extend. Errors also:
    /// status::invalid if it was not granted.
    result<allocdb::outcome> extend(ttl duration, const operation &op = {},
                                    std::uint64_t slot = slot_now) const noexcept;
    /// Gives its resources back (R50). See database::release. Errors also: status::invalid if it
    /// was not granted.
    result<allocdb::outcome> release(const operation &op = {},
                                     std::uint64_t slot = slot_now) const noexcept;
};

/* ---- a batch ---- */

/// Commands that are submitted as one commit: one write and one sync for all. Not a transaction:
/// each has its own outcome (what must happen together is a bundle). Made by database::batch.
///
/// Allocates where it is made, and again only if it grows beyond that. Keeps its commands and
/// operations after a submit, so that one that failed indefinitely can be submitted again as it
/// was; clear() begins anew. Threads: one at a time.
class batch
{
    std::uint64_t slot_duration_ms_ = 1;
    std::vector<allocdb_command> commands_ = {};
    std::vector<allocdb_outcome> outcomes_ = {};
    std::vector<allocdb_id> ids_ = {};

    friend class database;

    // A zero outcome would read as done.
    static allocdb_outcome unanswered(allocdb_status why) noexcept
    {
        allocdb_outcome made = {};

        made.status = why;
        return made;
    }

    std::size_t add(std::uint32_t kind, const id &target, const id &holder,
                    std::uint64_t slot_count, const operation &op)
    {
        allocdb_command command = {};

        command.kind = kind;
        command.operation_id = op.id;
        command.valid_until_slot = op.valid_until_slot;
        command.target_id = target;
        command.holder_id = holder;
        command.ttl_slots = slot_count;
        commands_.push_back(command);
        outcomes_.push_back(unanswered(ALLOCDB_E_INVALID));
        return commands_.size() - 1;
    }

  public:
    /// For a database whose slots are so long, with room for so many commands.
    batch(std::uint64_t slot_duration_ms, std::size_t capacity)
        : slot_duration_ms_(slot_duration_ms)
    {
        commands_.reserve(capacity);
        outcomes_.reserve(capacity);
    }

    /// Each of these appends a command as the database's function of the same name takes it, with
    /// an operation of the caller's or, made at the first submit, a new one. Returns its index. Bad
    /// arguments are told at the submit, which then refuses the whole batch. Allocates beyond the
    /// capacity.
    std::size_t create(const id &resource, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_CREATE_RESOURCE, resource, {}, 0, op);
    }
    std::size_t remove(const id &resource, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_DELETE_RESOURCE, resource, {}, 0, op);
    }
    std::size_t reserve(const id &resource, const id &holder, ttl duration,
                        const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_RESERVE, resource, holder,
                   duration.to_slots(slot_duration_ms_), op);
    }
    /// The ids are copied.
    std::size_t reserve_bundle(span<const id> resources, const id &holder, ttl duration,
                               const operation &op = {})
    {
        ids_.insert(ids_.end(), resources.begin(), resources.end());
        const std::size_t index = add(ALLOCDB_COMMAND_RESERVE, {}, holder,
                                      duration.to_slots(slot_duration_ms_), op);

        commands_[index].id_count = resources.size() < UINT32_MAX
                                        ? static_cast<std::uint32_t>(resources.size())
                                        : UINT32_MAX;
        return index;
    }
    std::size_t confirm(const id &reservation_id, const id &holder, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_CONFIRM, reservation_id, holder, 0, op);
    }
    std::size_t extend(const id &reservation_id, const id &holder, ttl duration,
                       const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_EXTEND, reservation_id, holder,
                   duration.to_slots(slot_duration_ms_), op);
    }
    std::size_t release(const id &reservation_id, const id &holder, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_RELEASE, reservation_id, holder, 0, op);
    }
    std::size_t revoke(const id &reservation_id, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_REVOKE, reservation_id, {}, 0, op);
    }
    std::size_t reclaim(const id &reservation_id, const operation &op = {})
    {
        return add(ALLOCDB_COMMAND_RECLAIM, reservation_id, {}, 0, op);
    }

    /// How many commands are in it.
    std::size_t size() const noexcept { return commands_.size(); }
    bool empty() const noexcept { return commands_.empty(); }
    /// Forgets commands and outcomes; keeps the memory.
    void clear() noexcept
    {
        commands_.clear();
        outcomes_.clear();
        ids_.clear();
    }
    /// The operation of command `index`, which must be below size(); zero before the first submit
    /// if none was given.
    operation operation_at(std::size_t index) const noexcept
    {
        return {commands_[index].operation_id, commands_[index].valid_until_slot};
    }
    /// The outcome of command `index`, which must be below size(), of the last submit: look at its
    /// status first, then at its code. A value, made when asked for.
    outcome operator[](std::size_t index) const noexcept
    {
        return outcome(outcomes_[index], operation_at(index));
    }
};

/* ---- a listing ---- */

namespace detail
{

inline allocdb_status list(allocdb_handle *db, const filter &wanted, std::uint64_t *cursor,
                           allocdb_resource *rows, std::size_t capacity, std::size_t *count,
                           allocdb_error *error) noexcept
{
    return allocdb_list_resources(db, &wanted.native(), cursor, rows, capacity, count, error);
}

inline allocdb_status list(allocdb_handle *db, const filter &wanted, std::uint64_t *cursor,
                           allocdb_reservation *rows, std::size_t capacity, std::size_t *count,
                           allocdb_error *error) noexcept
{
    return allocdb_list_reservations(db, &wanted.native(), cursor, rows, capacity, count, error);
}

} // namespace detail

/// The rows of a listing, read in pages while one goes through them. A row that does not change
/// meanwhile appears exactly once (R77). An input range (of C++20's too): begin() begins anew.
///
///     auto rows = db.list_resources(allocdb::filter().in(allocdb::resource_state::available));
///     for (const allocdb::resource_info &row : rows)
///         ...
///     if (!rows.ok()) // it ended early
///         ... rows.error()
///
/// Allocates nothing; a page is kept inside (6 KiB), so it is not copied. It may outlive the
/// database object: then it ends with status::closed. Threads: one at a time.
template <class Row, class Raw, bool Throws = false>
class listing
{
    static constexpr std::size_t page_len = 64;

    detail::handle handle_;
    filter filter_;
    std::uint64_t cursor_ = 0;
    std::size_t count_ = 0;
    std::size_t index_ = 0;
    bool is_last_ = true;
    failure failure_ = {};
    Raw rows_[page_len];

    // The next page that is not empty; none left: index_ == count_.
    void fetch()
    {
        index_ = count_ = 0;
        while (count_ == 0 && !is_last_) {
            if (handle_.is_missing(failure_) ||
                detail::list(handle_.native, filter_, &cursor_, rows_, page_len, &count_,
                             failure_.native()) != ALLOCDB_OK) {
                count_ = 0;
                is_last_ = true;
#if ALLOCDB_HAS_EXCEPTIONS
                if constexpr (Throws)
                    detail::raise(failure_);
#endif
                return;
            }
            is_last_ = cursor_ == 0;
        }
    }

  public:
    /// The end of every listing.
    struct sentinel {
    };

    /// A position in the listing, which must stay where it is meanwhile.
    class iterator
    {
        listing *of_ = nullptr;

        bool is_at_end() const noexcept { return of_->index_ == of_->count_; }

      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Row;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = Row;

        iterator() noexcept = default;
        explicit iterator(listing *of) noexcept : of_(of) {}
        Row operator*() const noexcept { return Row(of_->rows_[of_->index_]); }
        iterator &operator++()
        {
            if (++of_->index_ == of_->count_)
                of_->fetch();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &at, sentinel) noexcept { return at.is_at_end(); }
        friend bool operator!=(const iterator &at, sentinel end) noexcept { return !(at == end); }
        friend bool operator==(sentinel end, const iterator &at) noexcept { return at == end; }
        friend bool operator!=(sentinel end, const iterator &at) noexcept { return !(at == end); }
    };

    listing(const detail::handle &on, const filter &wanted) noexcept : handle_(on), filter_(wanted)
    {
    }
    listing(const listing &) = delete;
    listing &operator=(const listing &) = delete;

    /// Reads the first page.
    iterator begin()
    {
        cursor_ = 0;
        is_last_ = false;
        failure_ = failure();
        fetch();
        return iterator(this);
    }
    sentinel end() const noexcept { return {}; }
    /// Whether it has met no failure so far.
    bool ok() const noexcept { return failure_.status() == status::ok; }
    /// The failure that ended it early; of status::ok if none did.
    const failure &error() const noexcept { return failure_; }
};

using resource_listing = listing<resource_info, allocdb_resource>;
using reservation_listing = listing<reservation_info, allocdb_reservation>;

/* ---- a lease ---- */

/// A reservation that is kept alive for as long as this object lives: made by database::hold,
/// released by its destructor. A thread of its own extends it at a third of its TTL, so that two
/// extends may fail before the deadline. If the program dies, the resource is free after the TTL.
///
/// The database decides whether it is held: an extend that comes late and is still done found the
/// reservation there, so that nobody had it in between (R56). Told as lost is what the database
/// says is over, and what could not be extended until its deadline. No holder can rely on being
/// told in time: what protects an outside system is the token.
///
/// Threads: any may call, but for moving and destroying. Forks: in a child it is lost, and
/// destroying it there does nothing. Allocates, and starts a thread.
class lease
{
    using clock = std::chrono::steady_clock;

    struct state {
        allocdb::reservation held;
        ttl duration;
        clock::duration length; // what `duration` is at least
        pid_t owner = getpid();
        std::mutex mutex = {};
        std::condition_variable wake = {};
        bool is_ending = false;
        bool is_lost = false;
        clock::time_point deadline;
        failure why = {};
        std::thread renewer = {};

        state(const allocdb::reservation &granted, ttl asked, clock::duration least,
              clock::time_point from)
            : held(granted), duration(asked), length(least), deadline(from + least)
        {
        }
    };

    std::unique_ptr<state> state_ = {};
    allocdb::reservation refused_ = {};

    // Extends until told to end, or lost. What fails for now is tried again until the deadline.
    static void keep_alive(state &of) noexcept
    {
        std::unique_lock<std::mutex> guard(of.mutex);
        const clock::duration shortest = std::chrono::milliseconds(1);
        clock::duration pause = std::max(of.length / 3, shortest);

        while (!of.wake.wait_for(guard, pause, [&of] { return of.is_ending; })) {
            guard.unlock();
            const clock::time_point begin = clock::now();
            const auto told = of.held.extend(of.duration);
            guard.lock();
            if (told && told->ok()) {
                of.deadline = begin + of.length;
                pause = std::max(of.length / 3, shortest);
            } else if (told || told.error().category() != category::definite ||
                       clock::now() >= of.deadline) {
                of.is_lost = true;
                of.why = told ? failure(status::ok, name(told->code)) : told.error();
                return;
            } else {
                pause = std::max(of.length / 30, shortest);
            }
        }
    }

  public:
    /// None: not granted.
    lease() noexcept = default;
    /// Not granted: the code says why.
    explicit lease(const allocdb::reservation &refused) noexcept : refused_(refused) {}
    /// Takes over a reservation whose TTL of `asked`, at least `least`, began at `from` or later.
    lease(const allocdb::reservation &granted, ttl asked, clock::duration least,
          clock::time_point from)
        : state_(std::make_unique<state>(granted, asked, least, from))
    {
        state_->renewer = std::thread([of = state_.get()] { keep_alive(*of); });
    }
    lease(lease &&) noexcept = default;
    /// Releases the one that is here, and takes the other.
    lease &operator=(lease &&other) noexcept
    {
        if (this != &other) {
            (void)release();
            state_ = std::move(other.state_);
            refused_ = std::exchange(other.refused_, {});
        }
        return *this;
    }
    /// Releases it. To see what became of that, call release().
    ~lease() { (void)release(); }

    /// Whether it was granted. If not, code() tells why.
    bool granted() const noexcept { return state_ != nullptr; }
    /// How the reserve was decided.
    result_code code() const noexcept
    {
        return state_ ? state_->held.code() : refused_.code();
    }
    /// The reserve's answer where it was not granted; empty where it was.
    const allocdb::reservation &refused() const noexcept { return refused_; }
    /// The fencing token, which grows with every reservation (R2); zero if it was not granted.
    id token() const noexcept { return state_ ? state_->held.token() : id(); }

    /// Whether another holder is possible now: stop what the lease protects. True also after
    /// release, and if it was not granted. For host clocks the deadline is that of wall time.
    bool is_lost() const noexcept
    {
        if (!state_ || state_->owner != getpid())
            return true;
        const std::lock_guard<std::mutex> guard(state_->mutex);
        return state_->is_lost || clock::now() >= state_->deadline;
    }
    /// Why the database could not extend it: the failure, or of status::ok with the result code's
    /// name as message. Empty if it was not lost so.
    failure lost_why() const
    {
        if (!state_ || state_->owner != getpid())
            return {};
        const std::lock_guard<std::mutex> guard(state_->mutex);
        return state_->why;
    }

    /// Ends the renewal, and gives the resource back. The outcome's code is done; invalid_state or
    /// reservation_retired if it was lost before. Once: afterwards status::closed; if it was never
    /// granted, status::invalid. Errors: those of database::release; the lease ends by time then.
    result<outcome> release() noexcept
    {
        if (!state_)
            return refused_.release();
        if (state_->owner != getpid()) {
            // The thread is not in this process, and its locks may be held for ever.
            refused_ = state_.release()->held;
            return std::exchange(refused_, {}).release();
        }
        {
            const std::lock_guard<std::mutex> guard(state_->mutex);
            state_->is_ending = true;
        }
        state_->wake.notify_all();
        state_->renewer.join();
        const auto told = state_->held.release();
        state_.reset();
        return told;
    }
};

/* ---- the database ---- */

/// An open database. Closes itself. Threads, forks and the errors of every call: see the top.
///
/// Commands take, last, an operation (made and shown in the answer where none is given) and a slot
/// (slot_now, or the caller's logical time). They may be called through a const database: it is a
/// handle, and what changes is on the disk.
class database
{
    detail::handle handle_ = {};

  public:
    /// None: every call answers status::closed.
    database() noexcept = default;
    /// Takes the other's handle; the other is then as if it had never been opened.
    database(database &&other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    /// Closes the one that is here, and takes the other's handle.
    database &operator=(database &&other) noexcept
    {
        if (this != &other) {
            (void)close();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    /// Closes. What was acknowledged is safe without: to see the last write's error, call close().
    ~database() { (void)close(); }

    /// Opens the database in a directory, creating it if nothing is there (see the flags), and
    /// recovers it. All memory of the engine is allocated here.
    ///
    /// `directory`: a path, NUL-terminated, at most 4,000 bytes; its last component is created,
    /// its parents are not. `with`: read during the call only; log_context must live as long as the
    /// handle. Threads: any number may open at once; one process at a time has a database open for
    /// writing. Errors: invalid (the message names field, value and bound), io, locked (detail(0)
    /// is the owner's pid), directory_not_found, not_a_database, corrupt, config_mismatch (R92),
    /// version, no_memory, unsupported_fs, exists, storage_full, storage_failure. On failure an
    /// existing database is as it was.
    static result<database> open(const char *directory, const options &with = {}) noexcept
    {
        result<database> answer;
        allocdb_handle *native = nullptr;

        if (allocdb_open(directory, &with, &native, answer.error().native()) != ALLOCDB_OK)
            return answer;
        answer->handle_.native = native;
        options effective;
        if (allocdb_configuration(native, &effective, answer.error().native()) != ALLOCDB_OK) {
            (void)answer->close();
            return answer;
        }
        answer->handle_.slot_duration_ms = effective.slot_duration_ms;
        answer->handle_.operation_window_slots = effective.operation_window_slots;
        answer->handle_.is_host_clock = effective.clock == ALLOCDB_CLOCK_HOST;
        return answer;
    }
    /// The same, for a std::string or a std::filesystem::path.
    template <class Path, class = decltype(std::declval<const Path &>().c_str())>
    static result<database> open(const Path &directory, const options &with = {}) noexcept
    {
        return open(directory.c_str(), with);
    }

    /// Waits for the calls under way in other threads, proves the log's end durable, and releases
    /// lock and memory. Later calls, of reservations and listings too, answer status::closed; a
    /// second close is ok. Errors: storage_failure (the last write failed: closed all the same, and
    /// what was acknowledged stays).
    result<void> close() noexcept
    {
        // The member stays as it is: other threads may read it, and the library knows it is closed.
        allocdb_handle *copy = handle_.native;
        const auto answer = static_cast<status>(allocdb_close(&copy));

        if (answer == status::ok)
            return {};
        return failure(answer, allocdb_status_message(static_cast<allocdb_status>(answer)));
    }

    /// Whether calls can be made: opened, neither closed nor moved from, and not a parent's.
    bool is_open() const noexcept { return allocdb_slot_now(handle_.native) != 0; }

    /// The C API's handle, for what this layer does not cover; null if never opened or moved from.
    /// Belongs to this object.
    allocdb_handle *native() const noexcept { return handle_.native; }

    /// What reservations and listings are made of, for those who write their own.
    const detail::handle &handle() const noexcept { return handle_; }

    /// The slot of this moment by the system clock, whatever options.clock says; 0 if closed.
    std::uint64_t slot() const noexcept { return allocdb_slot_now(handle_.native); }

    /// How long a slot is.
    std::chrono::milliseconds slot_duration() const noexcept
    {
        return std::chrono::milliseconds(handle_.slot_duration_ms);
    }

    /// A TTL in this database's slots.
    std::uint64_t to_slots(ttl duration) const noexcept
    {
        return duration.to_slots(handle_.slot_duration_ms);
    }

    /// A new operation, valid for the dedupe window from `slot`: for a caller that writes it down
    /// before the command is sent. Zero if closed. No system call.
    operation operation_new(std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.named({}, slot);
    }

    /* commands */

    /// Makes a resource known, available (R37). Codes: done, resource_exists, resource_table_full.
    result<outcome> create(const id &resource, const operation &op = {},
                           std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_create_resource(handle_.native, slot, used, resource, raw, error);
        });
    }

    /// Forgets an available resource (R39). Codes: done, resource_not_found, resource_busy.
    result<outcome> remove(const id &resource, const operation &op = {},
                           std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_delete_resource(handle_.native, slot, used, resource, raw, error);
        });
    }

    /// Reserves one resource for a holder until a deadline: one of all that ask gets it (R41). From
    /// outcome().deadline_slot on, unless confirmed or extended, it may be freed by time; never
    /// earlier. Codes: done, resource_not_found, resource_busy, reservation_table_full,
    /// expiration_index_full. Errors also: ttl_out_of_range.
    result<reservation> reserve(const id &resource, const id &holder, ttl duration,
                                const operation &op = {},
                                std::uint64_t slot = slot_now) const noexcept
    {
        return reserved(holder, handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_reserve(handle_.native, slot, used, resource, holder,
                                   to_slots(duration), raw, error);
        }));
    }

    /// Reserves several resources or none of them (R42), as one reservation. `resources`: 1 to
    /// max_bundle_len different ids, read during the call. Codes: as reserve, with
    /// outcome().failed_index. Errors also: ttl_out_of_range, bundle_too_large,
    /// duplicate_resource.
    result<reservation> reserve_bundle(span<const id> resources, const id &holder, ttl duration,
                                       const operation &op = {},
                                       std::uint64_t slot = slot_now) const noexcept
    {
        return reserved(holder, handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_reserve_bundle(handle_.native, slot, used, resources.data(),
                                          resources.size(), holder, to_slots(duration), raw,
                                          error);
        }));
    }

    /// Makes a reservation permanent (R46): it has no deadline any more. A confirm that is
    /// committed before the expiry wins, also after the deadline. Codes: done,
    /// reservation_not_found, reservation_retired, holder_mismatch, invalid_state.
    result<outcome> confirm(const id &reservation_id, const id &holder, const operation &op = {},
                            std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_confirm(handle_.native, slot, used, reservation_id, holder, raw, error);
        });
    }

    /// Moves the deadline of a reservation that is not confirmed to `duration` from now, where that
    /// is later (R48); outcome.deadline_slot is the one that holds. Codes: as confirm, and
    /// expiration_index_full. Errors also: ttl_out_of_range.
    result<outcome> extend(const id &reservation_id, const id &holder, ttl duration,
                           const operation &op = {}, std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_extend(handle_.native, slot, used, reservation_id, holder,
                                  to_slots(duration), raw, error);
        });
    }

    /// Gives all resources of a reservation back, confirmed or not (R50). Codes: as confirm.
    result<outcome> release(const id &reservation_id, const id &holder, const operation &op = {},
                            std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_release(handle_.native, slot, used, reservation_id, holder, raw, error);
        });
    }

    /// An operator takes the authority from the holder of a confirmed reservation (R51). Its
    /// resources are not reusable before reclaim: in between, make sure the old holder has stopped.
    /// Codes: done, reservation_not_found, reservation_retired, invalid_state.
    result<outcome> revoke(const id &reservation_id, const operation &op = {},
                           std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_revoke(handle_.native, slot, used, reservation_id, raw, error);
        });
    }

    /// An operator frees the resources of a revoked reservation (R52). Codes: as revoke.
    result<outcome> reclaim(const id &reservation_id, const operation &op = {},
                            std::uint64_t slot = slot_now) const noexcept
    {
        return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
            return allocdb_reclaim(handle_.native, slot, used, reservation_id, raw, error);
        });
    }

    /// An empty batch with room for so many commands. Allocates.
    allocdb::batch batch(std::size_t capacity) const
    {
        return allocdb::batch(handle_.slot_duration_ms, capacity);
    }

    /// Submits a batch as one commit, and puts the outcomes into it. What state decides about one
    /// command (operation_conflict, operation_table_full, operation_expired, ...) is its outcome's
    /// status; what form or configuration rule out refuses the whole batch, detail(0) being the
    /// index. Errors also: command_too_large (more than max_batch_commands or max_batch_bytes).
    /// After an indefinite failure submit the same batch again, after opening again if it says so.
    result<void> submit(allocdb::batch &commands, std::uint64_t slot = slot_now) const noexcept
    {
        result<void> answer;
        const allocdb_id *ids = commands.ids_.data();

        if (handle_.is_missing(answer.error()))
            return answer;
        for (allocdb_command &command : commands.commands_) {
            if ((command.operation_id.lo | command.operation_id.hi) == 0) {
                const operation made = handle_.named({}, slot);

                command.operation_id = made.id;
                command.valid_until_slot = made.valid_until_slot;
            }
            command.ids = command.id_count != 0 ? ids : nullptr;
            ids += command.id_count;
        }
        const allocdb_status told =
            allocdb_submit(handle_.native, slot, commands.commands_.data(),
                           commands.commands_.size(), commands.outcomes_.data(),
                           answer.error().native());
        if (told != ALLOCDB_OK)
            for (allocdb_outcome &each : commands.outcomes_)
                each = allocdb::batch::unanswered(told);
        return answer;
    }

    /// Ends reservations whose deadline has passed, where no traffic does (R54). `limit`: how many
    /// at most; 0 for max_expirations_per_tick, which is also the most. With nothing due nothing is
    /// written.
    result<tick_result> tick(std::uint32_t limit = 0, std::uint64_t slot = slot_now) const noexcept
    {
        result<tick_result> answer;
        allocdb_tick_result raw;

        if (handle_.is_missing(answer.error()) ||
            allocdb_tick(handle_.native, slot, limit, &raw, answer.error().native()) != ALLOCDB_OK)
            return answer;
        *answer = {raw.lsn, raw.slot, raw.due_count, raw.expired_count};
        return answer;
    }

    /* reads: required_lsn is a log position that the answer must have seen (R73), such as an
       outcome's lsn from any thread or process; 0 for any. Errors of all: fence_not_applied,
       malformed (a zero id), halted. */

    /// Looks a resource up. Errors also: id_not_found.
    result<resource_info> get_resource(const id &resource,
                                        std::uint64_t required_lsn = 0) const noexcept
    {
        result<resource_info> answer;
        allocdb_resource raw;

        if (handle_.is_missing(answer.error()) ||
            allocdb_get_resource(handle_.native, required_lsn, resource, &raw,
                                 answer.error().native()) != ALLOCDB_OK)
            return answer;
        *answer = resource_info(raw);
        return answer;
    }

    /// Looks a reservation up (R74). Errors also: id_not_found (none with this id, or not yet),
    /// retired (it ended and is forgotten).
    result<reservation_info> get_reservation(const id &reservation_id,
                                              std::uint64_t required_lsn = 0) const noexcept
    {
        return get_reservation(reservation_id, span<id>(), required_lsn);
    }

    /// The same with its resources, in the order of the reserve, written to memory of the caller's:
    /// answer->resources shows those. Of one that ended it is the first alone. Errors also:
    /// buffer_too_small (detail(2) is how many there are).
    result<reservation_info> get_reservation(const id &reservation_id, span<id> resources,
                                              std::uint64_t required_lsn = 0) const noexcept
    {
        result<reservation_info> answer;
        allocdb_reservation raw;
        std::size_t count = 0;

        if (handle_.is_missing(answer.error()) ||
            allocdb_get_reservation(handle_.native, required_lsn, reservation_id, &raw,
                                    resources.data(), resources.size(), &count,
                                    answer.error().native()) != ALLOCDB_OK)
            return answer;
        *answer = reservation_info(raw);
        if (!resources.empty())
            answer->resources = span<const id>(resources.data(), count);
        return answer;
    }

    /// Did it happen? The outcome of an operation that may have been committed: after an
    /// indefinite failure, a crash, a lost answer (R75). Errors also: id_not_found (never
    /// committed, or longer ago than operation_window_slots).
    result<outcome> get_operation(const id &operation_id,
                                   std::uint64_t required_lsn = 0) const noexcept
    {
        result<outcome> answer;
        allocdb_outcome raw;

        if (handle_.is_missing(answer.error()) ||
            allocdb_get_operation(handle_.native, required_lsn, operation_id, &raw,
                                  answer.error().native()) != ALLOCDB_OK)
            return answer;
        *answer = outcome(raw, {operation_id, 0});
        return answer;
    }

    /// All resources, or those that the filter wants, as a range: see listing.
    resource_listing list_resources(const filter &wanted = {}) const noexcept
    {
        return resource_listing(handle_, wanted);
    }

    /// All reservations, live and remembered, or those that the filter wants, as a range.
    reservation_listing list_reservations(const filter &wanted = {}) const noexcept
    {
        return reservation_listing(handle_, wanted);
    }

    /// Reserves a resource for a holder and keeps it, see lease: extended until it is released. A
    /// busy resource is waited for, at most so long; waiting reads, and reserves only where that
    /// may succeed. Codes: as reserve; resource_busy when the wait is over. Errors: as reserve and
    /// get_resource, but overloaded while it may wait; no_memory if no thread can be started (only
    /// with exceptions; without, the program ends as for any std::thread). Allocates.
    template <class Rep, class Period, class WaitRep = int, class WaitPeriod = std::ratio<1>>
    result<lease> hold(const id &resource, const id &holder,
                       std::chrono::duration<Rep, Period> duration,
                       std::chrono::duration<WaitRep, WaitPeriod> wait =
                           std::chrono::duration<WaitRep, WaitPeriod>::zero()) const
    {
        using clock = std::chrono::steady_clock;
        constexpr auto years = std::chrono::hours(87600); // so that nothing overflows
        const auto end =
            clock::now() + std::chrono::duration_cast<clock::duration>(wait < years ? wait : years);

        for (auto pause = pause_min;; pause = pause < pause_max ? pause * 2 : pause) {
            const clock::time_point begin = clock::now();
            if (begin >= end || looks_free(resource)) {
                const auto told = reserve(resource, holder, duration);
                if (told && told->granted())
                    return leased(*told, duration, begin);
                const bool may_wait = told ? told->code() == result_code::resource_busy
                                           : told.error().status() == status::overloaded;
                if (!may_wait || begin >= end) {
                    if (told)
                        return lease(*told);
                    return told.error();
                }
            }
            std::this_thread::sleep_for(pause);
        }
    }

    /// Takes up a reservation that another thread, process or life of this program made: to go on
    /// with confirm, extend, release. No call is made, and nothing is checked.
    reservation adopt(const id &reservation_id, const id &holder) const noexcept
    {
        outcome from;

        from.status = status::ok;
        from.reservation_id = reservation_id;
        return reservation(handle_, from, holder);
    }

    /// Lets a read-only handle catch up with the process that writes (R99), and gives the last log
    /// position that reads now see. On a handle that writes there is nothing to do. Errors: io,
    /// corrupt, version, no_memory (the handle stays as it was), halted.
    result<std::uint64_t> refresh() const noexcept
    {
        result<std::uint64_t> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_refresh(handle_.native, &*answer, answer.error().native());
        return answer;
    }

    /* upkeep */

    /// Writes a snapshot and drops the log that it makes superfluous. Made by itself after every
    /// checkpoint_wal_bytes; by hand before a planned stop. Commits wait meanwhile, reads do not.
    /// Errors: overloaded, storage_full, io (given up, and the database goes on), read_only,
    /// storage_failure, halted.
    result<void> checkpoint() const noexcept
    {
        result<void> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_checkpoint(handle_.native, answer.error().native());
        return answer;
    }

    /// Copies the database, as it is between two commits (R100), into a directory that is empty or
    /// does not exist. The copy opens like any database, with a database_id of its own and its LSN
    /// raised by 2^40 (R101), so that it never repeats a fencing token. Works on a read-only handle
    /// too. Errors: overloaded, exists, directory_not_found, unsupported_fs, lsn_exhausted,
    /// storage_full, io, no_memory, halted.
    result<void> backup(const char *directory) const noexcept
    {
        result<void> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_backup(handle_.native, directory, answer.error().native());
        return answer;
    }
    /// The same, for a std::string or a std::filesystem::path.
    template <class Path, class = decltype(std::declval<const Path &>().c_str())>
    result<void> backup(const Path &directory) const noexcept { return backup(directory.c_str()); }

    /// The engine's figures at one moment. Answered also by a halted engine. `slot`: for the slot
    /// lag and the expiration backlog.
    result<health_figures> health(std::uint64_t slot = slot_now) const noexcept
    {
        result<health_figures> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_health_get(handle_.native, slot, &*answer, answer.error().native());
        return answer;
    }

    /// The same figures as text in Prometheus' format, in memory of the caller's, NUL-terminated.
    /// Errors: buffer_too_small (detail(2) is the capacity needed, the NUL included).
    result<std::string_view> metrics_text(span<char> buffer,
                                          std::uint64_t slot = slot_now) const noexcept
    {
        result<std::string_view> answer;
        std::size_t len = 0;

        if (!handle_.is_missing(answer.error()) &&
            allocdb_metrics_text(handle_.native, slot, buffer.data(), buffer.size(), &len,
                                 answer.error().native()) == ALLOCDB_OK)
            *answer = std::string_view(buffer.data(), len);
        return answer;
    }

    /// The same, as a string. Allocates.
    result<std::string> metrics_text(std::uint64_t slot = slot_now) const
    {
        std::string text(16384, '\0');

        for (;;) {
            auto answer = metrics_text(span<char>(&text[0], text.size()), slot);

            if (answer) {
                text.resize(answer->size());
                return text;
            }
            if (answer.error().status() != status::buffer_too_small)
                return answer.error();
            text.resize(text.size() * 2);
        }
    }

    /// All options with the defaults filled in: what is stored with the data, and this opening's.
    result<options> configuration() const noexcept
    {
        result<options> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_configuration(handle_.native, &*answer, answer.error().native());
        return answer;
    }

    /// What recovery found and did when this database was opened.
    result<allocdb::recovery_report> recovery_report() const noexcept
    {
        result<allocdb::recovery_report> answer;

        if (!handle_.is_missing(answer.error()))
            (void)!allocdb_recovery_report_get(handle_.native, &*answer, answer.error().native());
        return answer;
    }

    /// Takes log lines out of the ring, oldest first, into memory of the caller's: whole lines, as
    /// many as fit, each with its level in front. Answered also by a halted engine. Each line goes
    /// to one reader. Errors: buffer_too_small (less than ALLOCDB_LOG_TEXT_MIN).
    result<log_lines> log_read(span<char> buffer) const noexcept
    {
        result<log_lines> answer;
        std::size_t len = 0;

        if (!handle_.is_missing(answer.error()) &&
            allocdb_log_read(handle_.native, buffer.data(), buffer.size(), &len, &answer->dropped,
                             answer.error().native()) == ALLOCDB_OK)
            answer->text = std::string_view(buffer.data(), len);
        return answer;
    }

    /// All log lines that wait, as a string. Allocates.
    result<std::string> log_text() const
    {
        char buffer[4096];
        std::string text;

        for (;;) {
            auto answer = log_read(buffer);

            if (!answer)
                return answer.error();
            if (answer->text.empty())
                return text;
            text.append(answer->text);
        }
    }

  private:
    static constexpr auto pause_min = std::chrono::milliseconds(1);
    static constexpr auto pause_max = std::chrono::milliseconds(32);

    // Whether a reserve may succeed. What cannot be read is the reserve's to tell.
    bool looks_free(const id &resource) const noexcept
    {
        const auto row = get_resource(resource);

        if (!row || row->state == resource_state::available)
            return true;
        if (row->state != resource_state::reserved)
            return false;
        const auto held = get_reservation(row->reservation_id);
        return !held || held->deadline_slot <= slot() || handle_.is_host_clock;
    }

    template <class Duration>
    static result<lease> leased(const reservation &granted, Duration duration,
                                std::chrono::steady_clock::time_point begin)
    {
        using clock = std::chrono::steady_clock;
        const auto least = std::chrono::duration_cast<clock::duration>(duration);
#if ALLOCDB_HAS_EXCEPTIONS
        try {
            return lease(granted, duration, least, begin);
        } catch (const std::exception &thrown) {
            (void)granted.release();
            return failure(status::no_memory, thrown.what());
        }
#else
        return lease(granted, duration, least, begin);
#endif
    }

    result<reservation> reserved(const id &holder, const result<outcome> &from) const noexcept
    {
        result<reservation> answer;

        answer.error() = from.error();
        *answer = reservation(handle_, *from, holder);
        return answer;
    }
};

/// How much memory a database with these options uses at most, in bytes, before anything is
/// allocated (R91). Errors: invalid (the message names the option), struct_size. Callable anywhere.
inline result<std::uint64_t> memory_bound(const options &with = {}) noexcept
{
    result<std::uint64_t> answer;

    (void)!allocdb_memory_bound(&with, &*answer, answer.error().native());
    return answer;
}

/// The library's version, such as "0.3.0". Never null, static. Callable anywhere.
inline const char *version() noexcept
{
    return allocdb_version_string();
}

inline result<outcome> reservation::confirm(const operation &op, std::uint64_t slot) const noexcept
{
    result<allocdb::outcome> answer;

    if (is_refused(answer))
        return answer;
    return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
        return allocdb_confirm(handle_.native, slot, used, reservation_id(), holder_, raw, error);
    });
}

inline result<outcome> reservation::extend(ttl duration, const operation &op,
                                           std::uint64_t slot) const noexcept
{
    result<allocdb::outcome> answer;

    if (is_refused(answer))
        return answer;
    return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
        return allocdb_extend(handle_.native, slot, used, reservation_id(), holder_,
                              duration.to_slots(handle_.slot_duration_ms), raw, error);
    });
}

inline result<outcome> reservation::release(const operation &op, std::uint64_t slot) const noexcept
{
    result<allocdb::outcome> answer;

    if (is_refused(answer))
        return answer;
    return handle_.run(op, slot, [&](auto used, auto *raw, auto *error) {
        return allocdb_release(handle_.native, slot, used, reservation_id(), holder_, raw, error);
    });
}

#if ALLOCDB_HAS_EXCEPTIONS

/* ---- exceptions, for those who want them ---- */

/// What result::value() and allocdb::throwing throw: one of the classes below, by category. what()
/// is "ALLOCDB_E_LOCKED: the message". Copying one does not throw.
class error : public std::exception
{
    allocdb::failure failure_;
    char text_[288];

  public:
    explicit error(const allocdb::failure &story) noexcept : failure_(story)
    {
        std::snprintf(text_, sizeof text_, "%s: %s", name(story.status()), story.message());
    }
    const char *what() const noexcept override { return text_; }
    /// The whole story, with the operation to repeat.
    const allocdb::failure &failure() const noexcept { return failure_; }
    allocdb::status status() const noexcept { return failure_.status(); }
    bool is_indefinite() const noexcept { return failure_.is_indefinite(); }
};

/// A mistake in the program: nothing happened.
class usage_error : public error
{
  public:
    using error::error;
};
/// The database was closed, moved from, or never opened.
class closed_error : public usage_error
{
  public:
    using usage_error::usage_error;
};
/// The database was opened by a parent process.
class forked_error : public usage_error
{
  public:
    using usage_error::usage_error;
};
/// DEFINITE: nothing happened, for certain, and nothing will.
class rejected_error : public error
{
  public:
    using error::error;
};
/// The queue or a table has no room right now: try again later.
class overloaded_error : public rejected_error
{
  public:
    using rejected_error::rejected_error;
};
/// INDEFINITE: nobody can know yet whether it took effect. Open again, and repeat
/// failure().operation().
class indefinite_error : public error
{
  public:
    using error::error;
};
/// Opening and files.
class open_error : public error
{
  public:
    using error::error;
};
/// The database is open elsewhere.
class locked_error : public open_error
{
  public:
    using open_error::open_error;
    /// The owner's process id; 0 if it is not known.
    std::uint64_t pid() const noexcept { return failure().detail(0); }
};
/// The files are damaged. Nothing was changed.
class corrupt_error : public open_error
{
  public:
    using open_error::open_error;
};
/// A read's answer: id_not_found, retired.
class read_error : public error
{
  public:
    using error::error;
};
/// The state has not reached required_lsn.
class fence_error : public read_error
{
  public:
    using read_error::read_error;
};
/// A result code other than done, where outcome::raise_for_code was called. Not a failure of the
/// call: it was committed, and decided so.
class result_error : public error
{
    allocdb::outcome outcome_;

  public:
    explicit result_error(const allocdb::outcome &from) noexcept
        : error(allocdb::failure(from.status, name(from.code))), outcome_(from) {}
    result_code code() const noexcept { return outcome_.code; }
    const allocdb::outcome &outcome() const noexcept { return outcome_; }
};
/// resource_busy.
class busy_error : public result_error
{
  public:
    using result_error::result_error;
};

namespace detail
{

/// Throws the class of a failure. What has no class of its own goes by its category.
[[noreturn]] inline void raise(const failure &what)
{
    switch (what.status()) {
    case status::closed: throw closed_error(what);
    case status::forked: throw forked_error(what);
    case status::overloaded: throw overloaded_error(what);
    case status::locked: throw locked_error(what);
    case status::corrupt: throw corrupt_error(what);
    case status::fence_not_applied: throw fence_error(what);
    default: break;
    }
    switch (what.category()) {
    case category::misuse: throw usage_error(what);
    case category::definite: throw rejected_error(what);
    case category::open: throw open_error(what);
    case category::indefinite: throw indefinite_error(what);
    case category::read: throw read_error(what);
    case category::ok:
    case category::unknown: break;
    }
    throw error(what);
}

} // namespace detail

inline void outcome::raise_for_code() const
{
    if (status != allocdb::status::ok)
        detail::raise(failure(status, "state rejected this command of a batch"));
    if (code == result_code::resource_busy)
        throw busy_error(*this);
    if (code != result_code::done)
        throw result_error(*this);
}

/// The same database with plain return values: what would be a failed result is thrown (see
/// allocdb::error). A result code is still a value: see outcome::raise_for_code.
namespace throwing
{

using resource_listing = listing<resource_info, allocdb_resource, true>;
using reservation_listing = listing<reservation_info, allocdb_reservation, true>;

/// allocdb::reservation, throwing.
class reservation : public allocdb::reservation
{
  public:
    reservation() noexcept = default;
    reservation(const allocdb::reservation &from) noexcept : allocdb::reservation(from) {}
    allocdb::outcome confirm(const operation &op = {}, std::uint64_t slot = slot_now) const
    {
        return allocdb::reservation::confirm(op, slot).value();
    }
    allocdb::outcome extend(ttl duration, const operation &op = {},
                            std::uint64_t slot = slot_now) const
    {
        return allocdb::reservation::extend(duration, op, slot).value();
    }
    allocdb::outcome release(const operation &op = {}, std::uint64_t slot = slot_now) const
    {
        return allocdb::reservation::release(op, slot).value();
    }
};

/// allocdb::database, throwing: every function is the one of that class, which documents it.
class database
{
    allocdb::database plain_ = {};

  public:
    /// Opens, or throws: open_error, usage_error, ...
    template <class Path>
    explicit database(const Path &directory, const options &with = {})
        : plain_(allocdb::database::open(directory, with).value()) {}
    /// Takes over one that is open.
    explicit database(allocdb::database &&from) noexcept : plain_(std::move(from)) {}

    /// The one without exceptions.
    const allocdb::database &plain() const noexcept { return plain_; }
    void close() { plain_.close().value(); }
    bool is_open() const noexcept { return plain_.is_open(); }
    std::uint64_t slot() const noexcept { return plain_.slot(); }
    operation operation_new(std::uint64_t slot = slot_now) const noexcept
    {
        return plain_.operation_new(slot);
    }
    outcome create(const id &resource, const operation &op = {},
                   std::uint64_t slot = slot_now) const
    {
        return plain_.create(resource, op, slot).value();
    }
    outcome remove(const id &resource, const operation &op = {},
                   std::uint64_t slot = slot_now) const
    {
        return plain_.remove(resource, op, slot).value();
    }
    throwing::reservation reserve(const id &resource, const id &holder, ttl duration,
                                  const operation &op = {}, std::uint64_t slot = slot_now) const
    {
        return plain_.reserve(resource, holder, duration, op, slot).value();
    }
    throwing::reservation reserve_bundle(span<const id> resources, const id &holder, ttl duration,
                                         const operation &op = {},
                                         std::uint64_t slot = slot_now) const
    {
        return plain_.reserve_bundle(resources, holder, duration, op, slot).value();
    }
    /// Throws busy_error or another result_error where it is not granted.
    template <class Duration, class Wait = std::chrono::seconds>
    lease hold(const id &resource, const id &holder, Duration duration,
               Wait wait = Wait::zero()) const
    {
        auto held = plain_.hold(resource, holder, duration, wait).value();
        if (!held.granted())
            held.refused().outcome().raise_for_code();
        return held;
    }
    throwing::reservation adopt(const id &reservation_id, const id &holder) const noexcept
    {
        return plain_.adopt(reservation_id, holder);
    }
    outcome confirm(const id &reservation_id, const id &holder, const operation &op = {},
                    std::uint64_t slot = slot_now) const
    {
        return plain_.confirm(reservation_id, holder, op, slot).value();
    }
    outcome extend(const id &reservation_id, const id &holder, ttl duration,
                   const operation &op = {}, std::uint64_t slot = slot_now) const
    {
        return plain_.extend(reservation_id, holder, duration, op, slot).value();
    }
    outcome release(const id &reservation_id, const id &holder, const operation &op = {},
                    std::uint64_t slot = slot_now) const
    {
        return plain_.release(reservation_id, holder, op, slot).value();
    }
    outcome revoke(const id &reservation_id, const operation &op = {},
                   std::uint64_t slot = slot_now) const
    {
        return plain_.revoke(reservation_id, op, slot).value();
    }
    outcome reclaim(const id &reservation_id, const operation &op = {},
                    std::uint64_t slot = slot_now) const
    {
        return plain_.reclaim(reservation_id, op, slot).value();
    }
    allocdb::batch batch(std::size_t capacity) const { return plain_.batch(capacity); }
    void submit(allocdb::batch &commands, std::uint64_t slot = slot_now) const
    {
        plain_.submit(commands, slot).value();
    }
    tick_result tick(std::uint32_t limit = 0, std::uint64_t slot = slot_now) const
    {
        return plain_.tick(limit, slot).value();
    }
    resource_info get_resource(const id &resource, std::uint64_t required_lsn = 0) const
    {
        return plain_.get_resource(resource, required_lsn).value();
    }
    reservation_info get_reservation(const id &reservation_id,
                                      std::uint64_t required_lsn = 0) const
    {
        return plain_.get_reservation(reservation_id, required_lsn).value();
    }
    reservation_info get_reservation(const id &reservation_id, span<id> resources,
                                      std::uint64_t required_lsn = 0) const
    {
        return plain_.get_reservation(reservation_id, resources, required_lsn).value();
    }
    outcome get_operation(const id &operation_id, std::uint64_t required_lsn = 0) const
    {
        return plain_.get_operation(operation_id, required_lsn).value();
    }
    /// Throws while one goes through it.
    throwing::resource_listing list_resources(const filter &wanted = {}) const noexcept
    {
        return throwing::resource_listing(plain_.handle(), wanted);
    }
    /// Throws while one goes through it.
    throwing::reservation_listing list_reservations(const filter &wanted = {}) const noexcept
    {
        return throwing::reservation_listing(plain_.handle(), wanted);
    }
    std::uint64_t refresh() const { return plain_.refresh().value(); }
    void checkpoint() const { plain_.checkpoint().value(); }
    template <class Path>
    void backup(const Path &directory) const { plain_.backup(directory).value(); }
    health_figures health(std::uint64_t slot = slot_now) const
    {
        return plain_.health(slot).value();
    }
    std::string metrics_text(std::uint64_t slot = slot_now) const
    {
        return plain_.metrics_text(slot).value();
    }
    options configuration() const { return plain_.configuration().value(); }
    allocdb::recovery_report recovery_report() const { return plain_.recovery_report().value(); }
    std::string log_text() const { return plain_.log_text().value(); }
};

} // namespace throwing

#endif

} // namespace allocdb

/// Mixes both halves: names differ in either.
template <>
struct std::hash<allocdb::id> {
    std::size_t operator()(const allocdb::id &value) const noexcept
    {
        std::uint64_t mixed = (value.lo ^ (value.hi << 29 | value.hi >> 35)) * 0x9E3779B97F4A7C15u;

        return static_cast<std::size_t>(mixed ^ mixed >> 32);
    }
};

#endif
