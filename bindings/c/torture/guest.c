/*
 * guest.c - the first program of a guest machine whose power will be cut.
 *
 * The kernel starts it from the initrd, with the host's arguments behind "--" on its command line.
 * It loads the modules of a virtio disk, each after those it needs, mounts the disk as ext4 on
 * /disk, makes the serial line plain, and becomes the host (host.c), whose witness is that line:
 * what went over it is out of the machine. When the host ends, so does the machine. What fails is
 * said on the line and ends it, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static const char *const modules[] = {
    "virtio_ring",           "virtio",     "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"};

static void stop(const char *what)
{
    printf("guest: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void load(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/modules/%s.ko", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
        stop(path);
    close(fd);
}

static void take_line(void)
{
    struct termios plain;
    int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY);

    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (tcgetattr(fd, &plain) == 0) {
        cfmakeraw(&plain);
        cfsetspeed(&plain, B115200);
        tcsetattr(fd, TCSANOW, &plain);
    }
}

int main(int argc, char **argv)
{
    static char program[] = "/host";
    (void)argc;
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/disk", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    take_line();
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        load(modules[i]);
    for (int tries = 0; access("/dev/vda", F_OK) != 0; tries++) {
        if (tries == 200)
            stop("/dev/vda");
        usleep(10000);
    }
    if (mount("/dev/vda", "/disk", "ext4", 0, NULL) != 0)
        stop("mount");
    argv[0] = program;
    execv(program, argv);
    stop(program);
}
