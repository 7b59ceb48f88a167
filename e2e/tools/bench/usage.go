package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what processes and their threads have spent so far; children are not counted.
type usage struct {
	cpu       time.Duration
	own       time.Duration // of this process
	rss, peak int64         // bytes
	wrote     int64         // bytes sent towards the disk
	// of all processors since boot, in ticks: passed, and given by the hypervisor to other machines
	ticks, stolen int64
}

// clockTick is the kernel's USER_HZ, 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// usageOf sums over the processes.
func usageOf(pids []int) usage {
	var sum usage
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil {
		sum.own = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	sum.ticks, sum.stolen = processorTicks()
	for _, pid := range pids {
		u := usageOfOne(pid)
		sum.cpu += u.cpu
		sum.rss += u.rss
		sum.peak += u.peak
		sum.wrote += u.wrote
	}
	return sum
}

// processorTicks reads the first line of /proc/stat (proc_stat(5)); zeros where there is none.
func processorTicks() (all, stolen int64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	// Guests' time, behind the eighth number, is in the user's already.
	for i, f := range strings.Fields(line)[1:9] {
		n, _ := strconv.ParseInt(f, 10, 64)
		all += n
		if i == 7 {
			stolen = n
		}
	}
	return all, stolen
}

// usageOfOne reads /proc/<pid>/{stat,status,io}; zero when there is no such process.
func usageOfOne(pid int) usage {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u
	}
	// The command name stands in parentheses and may hold spaces; utime and stime are fields 14, 15.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, _ := strconv.ParseInt(f, 10, 64)
		u.cpu += time.Duration(ticks) * clockTick
	}
	if io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)); err == nil {
		if _, rest, ok := strings.Cut(string(io), "\nwrite_bytes: "); ok {
			u.wrote, _ = strconv.ParseInt(strings.SplitN(rest, "\n", 2)[0], 10, 64)
		}
	}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		var kb int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kb); n == 1 {
			u.rss = kb << 10
		}
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kb); n == 1 {
			u.peak = kb << 10
		}
	}
	return u
}
