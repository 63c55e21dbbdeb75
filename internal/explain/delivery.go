package explain

import "slices"

// delivery explains where the points of the namespaces are.
func (x *explanation) delivery(namespaces []string) {
	down := x.known.Output.Error != ""
	if down {
		x.outputDown()
	}
	for _, namespace := range namespaces {
		dropped := x.drops(namespace)
		if down || dropped {
			continue
		}
		x.account(namespace)
	}
}

// outputDown gives the reason if the output takes no points.
func (x *explanation) outputDown() {
	out := x.known.Output
	if out.Down.IsZero() {
		x.because("The output takes no points: %s", brief(out.Error))
	} else {
		x.because("The output has taken no points for %s: %s", x.age(out.Down), brief(out.Error))
	}
	if out.Memory+out.Disk == 0 {
		return
	}
	text := ""
	if !out.Oldest.IsZero() {
		text = "; the oldest is from " + x.ago(out.Oldest)
	}
	x.say("%s in memory and %d on disk wait until it takes them%s", counted(out.Memory, "point"), out.Disk, text)
}

// drops gives the reasons why points of the namespace are being dropped, if they are.
func (x *explanation) drops(namespace string) (dropped bool) {
	for _, d := range x.known.Drops {
		if d.Namespace != namespace {
			continue
		}
		dropped = true
		x.Facts.Drops = append(x.Facts.Drops, d)
		cause := ""
		if d.Error != "" {
			cause = ": " + brief(d.Error)
		}
		if d.Advice != "" {
			cause += "; " + d.Advice
		}
		x.because("Points of the namespace %s are being dropped (%s), %d in the last %s and the newest %s%s",
			namespace, d.Reason, d.Points, x.age(d.Since), x.ago(d.Last), cause)
	}
	return dropped
}

// account says what became of the points of the namespace.
func (x *explanation) account(namespace string) {
	a, some := x.known.Accounts[namespace]
	if !some {
		x.say("No points of the namespace %s were accepted yet", namespace)
		return
	}
	if x.Facts.Accounts == nil {
		x.Facts.Accounts = make(map[string]Account)
	}
	x.Facts.Accounts[namespace] = a
	dropped := int64(0)
	for _, points := range a.Dropped {
		dropped += points
	}
	x.say("Points of the namespace %s: %d accepted = %d delivered + %d waiting + %d dropped", namespace, a.Accepted, a.Delivered, a.Waiting, dropped)
	i := slices.IndexFunc(x.known.Output.Topics, func(t Topic) bool { return t.Namespace == namespace })
	if i < 0 {
		return
	}
	t := x.known.Output.Topics[i]
	x.Facts.Output.Topics = append(x.Facts.Output.Topics, t)
	x.say("%s acknowledged the last ones for the topic %s %s", t.Server, t.Topic, x.ago(t.Time))
}
