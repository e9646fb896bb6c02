//! The system calls that no command of a step needs, refused by a filter (seccomp).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Refused whatever their arguments: they change or look into what lies outside of a cage, or have often been the way out of one.
const REFUSED: [i64; 49] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_move_pages,
];

/// System calls of the x32 interface have this bit set, whose numbers a filter sees as others.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// What is asked of the filter beyond that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Whether Landlock keeps the cage's processes from tracing others.
    pub(super) traces_held: bool,
}

/// The old way to the network below its protocols.
const SOCK_PACKET: i32 = 10;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// From here on the kernel refuses them to this process and to what it starts.
///
/// # Errors
/// There is no filter for this machine, or the kernel takes none.
pub(super) fn restrict(ask: Ask) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let refused = rules(ask).map_err(|error| text(&error))?;
    let absent = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let strange = strange_families().map_err(|error| text(&error))?;
    // A filter has one answer. Programs that learn that there is no clone3, whose flags a filter can't see, call clone.
    for (rules, answer) in [(strange, libc::EAFNOSUPPORT), (absent, libc::ENOSYS), (refused, libc::EPERM)] {
        let program = compile(rules, answer.unsigned_abs()).map_err(|error| text(&error))?;
        seccompiler::apply_filter(&program).map_err(|error| text(&error))?;
    }
    Ok(())
}

fn compile(rules: Rules, answer: u32) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(answer), arch)?.try_into()
}

fn rules(ask: Ask) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.into_iter().map(|number| (number, Vec::new())).collect();
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let flags = namespaces.map(|flag| flag.unsigned_abs().into());
    rules.insert(libc::SYS_clone, flags.map(|flag| has_bits(0, flag, flag)).into_iter().collect::<Result<_, _>>()?);
    // Devices; files, pipes and sockets may be made.
    let devices = [libc::S_IFCHR, libc::S_IFBLK].map(u64::from);
    let mknodat = devices.map(|kind| has_bits(2, libc::S_IFMT.into(), kind));
    rules.insert(libc::SYS_mknodat, mknodat.into_iter().collect::<Result<_, _>>()?);
    #[cfg(target_arch = "x86_64")]
    {
        let mknod = devices.map(|kind| has_bits(1, libc::S_IFMT.into(), kind));
        rules.insert(libc::SYS_mknod, mknod.into_iter().collect::<Result<_, _>>()?);
        rules.extend([libc::SYS_iopl, libc::SYS_ioperm].map(|number| (number, Vec::new())));
    }
    // What writes into a terminal as if it were typed there.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX].map(|request| equal(1, request));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    if !ask.traces_held {
        rules.insert(libc::SYS_ptrace, Vec::new());
    }
    Ok(with_x32(rules))
}

/// Sockets that reach the kernel's rarer parts, or the network below its protocols; of netlink the part that lists interfaces stays.
fn strange_families() -> Result<Rules, seccompiler::BackendError> {
    // Those of the internet are left: a filter can't tell the own loopback interface, which tests use, from the world.
    let families = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_INET, libc::AF_INET6];
    let number = |value: i32| u64::from(value.unsigned_abs());
    let other = families.iter().map(|family| condition(0, SeccompCmpOp::Ne, number(*family)));
    let other = SeccompRule::new(other.collect::<Result<_, _>>()?)?;
    let netlink = SeccompRule::new(vec![
        condition(0, SeccompCmpOp::Eq, number(libc::AF_NETLINK))?,
        condition(2, SeccompCmpOp::Ne, number(libc::NETLINK_ROUTE))?,
    ])?;
    // The type's upper bits are flags.
    let raw = |kind: i32| -> Result<SeccompRule, seccompiler::BackendError> {
        SeccompRule::new(vec![
            condition(0, SeccompCmpOp::Ne, number(libc::AF_NETLINK))?,
            condition(1, SeccompCmpOp::MaskedEq(0xf), number(kind))?,
        ])
    };
    let rules = vec![other, netlink, raw(libc::SOCK_RAW)?, raw(SOCK_PACKET)?];
    Ok(with_x32(Rules::from([(libc::SYS_socket, rules)])))
}

fn with_x32(rules: Rules) -> Rules {
    #[cfg(target_arch = "x86_64")]
    let rules = rules.iter().map(|(number, rules)| (number | X32, rules.clone())).chain(rules.clone()).collect();
    rules
}

fn condition(argument: u8, by: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, by, value)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, value)?])
}

fn has_bits(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::MaskedEq(mask), value)?])
}
