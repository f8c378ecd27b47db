/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_privileges.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT32_C(1) << (capability))
#define FILE_CAPABILITIES                                       \
    (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | \
     BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID))

bool exec_keep_network_privileges(void)
{
    struct __user_cap_header_struct head = {.version =
                                                _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];

    if (syscall(SYS_capget, &head, sets) != 0)
        return false;
    sets[0].inheritable |= BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW);
    return syscall(SYS_capset, &head, sets) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) ==
               0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}

bool exec_drop_privileges(bool keep_files)
{
    uint32_t kept = keep_files ? FILE_CAPABILITIES : 0;
    struct __user_cap_header_struct head = {.version =
                                                _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {
        {.effective = kept, .permitted = kept}};

    for (int i = 0; i < 64; i++) {
        if (i < 32 && (kept & BIT(i)) != 0)
            continue;
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0 && errno != EINVAL)
            return false; /* EINVAL: the kernel has none of this number */
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           syscall(SYS_capset, &head, sets) == 0;
}

static bool is_leaky(int fd)
{
    socklen_t len = sizeof(int);
    int domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           domain != AF_UNIX;
}

void exec_close_leaky(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (fd > STDERR_FILENO && fd != dirfd(dir) && is_leaky(fd))
            close(fd);
    }
    closedir(dir);
}
