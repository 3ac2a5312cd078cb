#!/usr/bin/env bash
# The power of a guest machine is cut while it commits: what it said was durable must be on its disk.
#
# usage: scripts/torture/power_cut.sh [--goal CUTS] [--seconds N] [--seed N] [--help]
#
# qemu-system-x86_64 with software emulation (no rights wanted) boots Debian's cloud kernel and an initrd
# that holds the host in C, statically linked (bindings/c/torture/guest.c, host.c). The database is on an
# ext4 image behind virtio, cache=writeback: the guest's syncs reach this machine's page cache, which
# outlives the guest. The witness is the serial line. The emulator gets kill -9 at a random moment: then
# the guest's memory is gone, and with it what it had not synced. The image is checked (e2fsck replays
# its journal, as the next mount would), the database taken out (debugfs) and audited (audit.h), and a
# host goes on with it. Every fourth image is booted again and cut off in its recovery, and audited
# once more.
#
# The control that must lose: the same with sync = os, which promises less. There every fifth cut is
# made; what is left must be a prefix of what was acknowledged, and over all at least one command must
# be gone, or the cuts cut nothing.
#
# The emulator and the kernel are got with apt where that may be done; the kernel is only unpacked, into
# target/torture-guest. About five seconds a cut on an idle core.

set -euo pipefail
# shellcheck source=scripts/torture/layer.sh
. "$(dirname "${BASH_SOURCE[0]}")/layer.sh"
PATH=$PATH:/usr/sbin:/sbin
read_layer_arguments power_cut 20 "$@"

GUEST=$ROOT/target/torture-guest
MODULES=(virtio/virtio_ring virtio/virtio virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev
    virtio/virtio_pci block/virtio_blk)
QEMU=
LOST=0 LOST_CONTROL=0 CONTROL_CUTS=0 BOOTS_FAILED=0 OPENING_CUTS=0 SECOND_CUTS=0 ACKNOWLEDGED=0 WHOLE=0 ABSENT=0
RANDOM=$SEED

get_emulator() {
    [ "$(uname -m)" = x86_64 ] || skip "no power is cut: this is $(uname -m)"
    if ! command -v qemu-system-x86_64 >/dev/null && command -v apt-get >/dev/null &&
        [ "$(id -u)" = 0 ]; then
        say "installing: qemu-system-x86"
        apt-get update -qq >/dev/null 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-system-x86 \
            >/dev/null 2>&1 || true
    fi
    command -v qemu-system-x86_64 >/dev/null || skip "no power is cut: no qemu-system-x86_64"
    local program
    for program in mkfs.ext4 e2fsck debugfs; do
        command -v $program >/dev/null || skip "no power is cut: no $program (e2fsprogs)"
    done
}

# The kernel package is unpacked and not installed: this machine keeps its own.
get_kernel() {
    local package
    if ! compgen -G "$GUEST/kernel/boot/vmlinuz-*" >/dev/null; then
        command -v apt-get >/dev/null || skip "no power is cut: no kernel (apt-get is not there)"
        mkdir -p "$GUEST"
        package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
        [ -n "$package" ] || skip "no power is cut: no package linux-image-cloud-amd64"
        say "fetching $package"
        (cd "$GUEST" && apt-get download "$package" >/dev/null 2>&1 &&
            dpkg -x "$package"_*.deb kernel && rm -f "$package"_*.deb) ||
            skip "no power is cut: the kernel cannot be had"
    fi
    KERNEL=$(compgen -G "$GUEST/kernel/boot/vmlinuz-*" | head -n 1)
    DRIVERS=$(compgen -G "$GUEST/kernel/lib/modules/*/kernel/drivers" | head -n 1)
}

# cpio_entry NAME MODE [FILE]: one file of an initrd, to standard output ("newc").
cpio_entry() {
    local size=0 name=$1
    [ -z "${3:-}" ] || size=$(stat -c %s "$3")
    INODE=$((INODE + 1))
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' "$INODE" "$2" 0 0 1 0 \
        "$size" 0 0 0 0 $((${#name} + 1)) 0 "$name"
    head -c $(((4 - (110 + ${#name} + 1) % 4) % 4)) /dev/zero
    [ -z "${3:-}" ] || cat "$3"
    head -c $(((4 - size % 4) % 4)) /dev/zero
}

make_initrd() {
    local module INODE=0 name
    {
        cpio_entry modules $((8#40755))
        cpio_entry init $((8#100755)) "$WORK/bin/guest"
        cpio_entry host $((8#100755)) "$WORK/bin/host_static"
        for module in "${MODULES[@]}"; do
            name=$(basename "$module").ko
            cpio_entry "modules/$name" $((8#100644)) "$DRIVERS/$module.ko"
        done
        cpio_entry TRAILER!!! 0
    } >"$WORK/initrd"
}

compile_static() {
    local libraries
    libraries=$(sed -n 's/^Libs.private: //p' "$STAGE/lib/pkgconfig/allocdb.pc")
    # A static program takes the static half of the compiler's library.
    # shellcheck disable=SC2086  # words
    "${CC:-cc}" -std=c11 -O2 -static -I"$STAGE/include" -o "$WORK/bin/host_static" \
        "$C_TORTURE/host.c" "$C_TORTURE/witness.c" "$STAGE/lib/libAllocDB.a" -pthread \
        ${libraries/-lgcc_s/-lgcc_eh -lgcc}
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Werror -static -o "$WORK/bin/guest" "$C_TORTURE/guest.c"
}

# prepare: an image that holds a database which a host left without closing, or nothing yet, and the
# witness of that, as text.
prepare() {
    rm -rf "$WORK/root" "$WORK/image" "$WORK/base" "$WORK/base.witness"
    mkdir -p "$WORK/root"
    : >"$WORK/base.witness"
    if [ $((RANDOM % 3)) != 0 ]; then
        "$WORK/bin/host" directory="$WORK/root/db" witness="$WORK/base.witness" life=1 \
            seed=$((RANDOM + 1)) submissions=30 leave=1
    fi
    truncate -s 24M "$WORK/image"
    mkfs.ext4 -q -d "$WORK/root" "$WORK/image"
    od -An -v -tx1 -w128 "$WORK/base.witness" | tr -d ' ' | sed 's/^/=/' >"$WORK/witness"
}

# boot LINE-FILE HOST-ARGUMENT...: the machine runs in the background, and its host has begun. On a busy
# machine an emulated one may give up before it has run any program of ours: then once more.
boot() {
    local tries
    for tries in 1 2 3; do
        start_machine "$@"
        if hears "$1" 1 1; then return 0; fi
        cut_power
        if grep -aq '^guest:' "$1" 2>/dev/null; then return 1; fi
        BOOTS_FAILED=$((BOOTS_FAILED + 1))
    done
    return 1
}

start_machine() {
    local line=$1
    shift
    rm -f "$line"
    qemu-system-x86_64 -accel tcg -cpu max -m 192 -nodefaults -no-reboot -display none \
        -kernel "$KERNEL" -initrd "$WORK/initrd" \
        -append "console=ttyS1 quiet panic=-1 no_timer_check -- directory=/disk/db witness=/dev/ttyS0 text=1 $*" \
        -drive "file=$WORK/image,format=raw,if=virtio,cache=writeback" \
        -serial "file:$line" -serial "file:$WORK/console" >"$WORK/qemu.log" 2>&1 &
    QEMU=$!
}

# hears LINE-FILE TYPE COUNT: waits for so many records of a type; the machine must not end before.
hears() {
    local tries=0
    until [ "$(grep -acE "^=0$2.{254}" "$1" 2>/dev/null || true)" -ge "$3" ] 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 3000 ] || ! kill -0 "$QEMU" 2>/dev/null; then return 1; fi
        sleep 0.02
    done
}

cut_power() {
    [ -n "$QEMU" ] || return 0
    kill -9 "$QEMU" 2>/dev/null || true
    { wait "$QEMU" || true; } 2>/dev/null
    QEMU=
}

# take_out: the database of the image, as the next mount would find it.
take_out() {
    local status=0
    cp "$WORK/image" "$WORK/checked"
    e2fsck -fy "$WORK/checked" >"$WORK/fsck" 2>&1 || status=$?
    # 1: the journal was replayed.
    [ "$status" -le 1 ] || { found "cut $DONE: e2fsck ended with $status"; return 1; }
    rm -rf "$WORK/out"
    mkdir "$WORK/out"
    debugfs -R "rdump /db $WORK/out" "$WORK/checked" >/dev/null 2>&1 || true
}

value_of() { sed -n "s/^figure $1 //p" "$WORK/audit"; }

# audit NAME CONTROL: 1 where losses are expected.
audit() {
    local status=0
    take_out || return 0
    "$WORK/bin/auditor" directory="$WORK/out/db" copy="$WORK/copy" witness="$WORK/witness" text=1 \
        losses="$2" seed=$((DONE + 1)) >"$WORK/audit" || status=$?
    [ "$status" = 0 ] || found "$1 (seed $SEED): $(grep '^found' "$WORK/audit" | head -n 3 | paste -sd ' ')"
    ACKNOWLEDGED=$((ACKNOWLEDGED + $(value_of acknowledged)))
    WHOLE=$((WHOLE + $(value_of unacknowledged_whole)))
    ABSENT=$((ABSENT + $(value_of unacknowledged_absent)))
    if [ "$2" = 1 ]; then
        LOST_CONTROL=$((LOST_CONTROL + $(value_of lost)))
    else
        LOST=$((LOST + $(value_of lost)))
    fi
    [ -d "$WORK/out/db" ] || return 0
    "$WORK/bin/host" directory="$WORK/out/db" witness="$WORK/next" life=9 seed=5 submissions=2 \
        >"$WORK/said" 2>&1 || found "$1: the next host: $(head -n 1 "$WORK/said")"
}

wait_for_moment() {
    if [ $((RANDOM % 6)) = 0 ]; then
        OPENING_CUTS=$((OPENING_CUTS + 1))
        sleep "0.$(printf '%03d' $((RANDOM % 400)))"
    else
        hears "$WORK/line" 4 $((1 + RANDOM % 80)) || return 1
        sleep "0.$(printf '%03d' $((RANDOM % 300)))"
    fi
}

cut() {
    local name="cut $((DONE + 1))" control=0 arguments=()
    prepare
    if [ $((DONE % 5)) = 4 ]; then
        # Without checkpoints, which sync.
        control=1 arguments=(sync=os log_bytes=4194304)
        CONTROL_CUTS=$((CONTROL_CUTS + 1))
    fi
    if ! boot "$WORK/line" life=2 seed=$((RANDOM + 1)) submissions=5000 "${arguments[@]}" ||
        ! wait_for_moment; then
        found "$name: the machine did not work: $(tail -qn 2 "$WORK/line" "$WORK/qemu.log" 2>&1 |
            paste -sd ' ')"
        cut_power
        return
    fi
    cut_power
    cat "$WORK/line" >>"$WORK/witness"
    audit "$name" $control
    if [ $((DONE % 4)) = 0 ] && [ $control = 0 ]; then
        # It only opens and closes: nobody is told anything, and nothing may change.
        if boot "$WORK/again" life=3 seed=1 submissions=0; then
            sleep "0.$(printf '%03d' $((RANDOM % 250)))"
            cut_power
            SECOND_CUTS=$((SECOND_CUTS + 1))
            audit "$name, cut again" 0
        else
            found "$name: the machine does not come back: $(tail -n 3 "$WORK/console" | paste -sd ' ')"
            cut_power
        fi
    fi
}

# shellcheck disable=SC2317  # a trap calls it
leave_guest() {
    [ -z "$QEMU" ] || kill -9 "$QEMU" 2>/dev/null || true
    leave
}

get_emulator
get_kernel
trap leave_guest EXIT
compile_host
compile_auditor
compile_static
make_initrd
until is_over; do
    cut
    advance 1
done
figure acknowledged "$ACKNOWLEDGED"
figure lost "$LOST"
figure unacknowledged_whole "$WHOLE"
figure unacknowledged_absent "$ABSENT"
figure cuts_while_opening "$OPENING_CUTS"
figure cuts_in_recovery "$SECOND_CUTS"
figure boots_failed "$BOOTS_FAILED"
figure control_cuts "$CONTROL_CUTS"
figure control_lost "$LOST_CONTROL"
[ "$CONTROL_CUTS" = 0 ] || [ "$LOST_CONTROL" -gt 0 ] ||
    found "the control without syncs lost nothing in $CONTROL_CUTS cuts"
finish
