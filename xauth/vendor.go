package xauth

import (
	"slices"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// vendor is how one make of gateways differs from the drafts in what is said in
// Transaction exchanges. What any gateway may do is no such difference:
// FortiGate asks for the password, then for a passcode in an exchange of its
// own, of TYPE OTP without a challenge.
type vendor struct {
	name    string // as profiles have it
	product string // as ike.Info.Vendors has it

	// Not RFC: Check Point has XAuth under the numbers of the drafts 02 to 05
	// (draft-ietf-ipsec-isakmp-xauth). Three of them are Mode Config's, so that
	// they count as XAuth's only behind a TYPE.
	oldNumbers bool

	// Not RFC: NetScreen pushes the configuration inside the login, before the
	// STATUS, and isn't asked for one afterwards.
	pushes bool
}

var vendors = []vendor{
	{name: "checkpoint", product: "Check Point", oldNumbers: true},
	{name: "netscreen", product: "NetScreen", pushes: true},
}

// vendorOf is the vendor of that name; where that is empty or "auto", the one
// that the SA's vendor IDs tell.
func vendorOf(name string, sa *ike.SA) vendor {
	var products []string
	if (name == "" || name == "auto") && sa != nil {
		products = sa.Info().Vendors
	}
	for _, v := range vendors {
		if v.name == name || slices.Contains(products, v.product) {
			return v
		}
	}
	return vendor{}
}

// pushPatience is how long a gateway that pushes may take after the login.
// Chosen here.
const pushPatience = 5 * time.Second

// From a number of the old drafts to that of draft-beaulieu-ike-xauth-02.
const oldToNew = isakmp.AttrXAuthType - isakmp.AttrCheckPointXAuthType

// hasOld says whether c has an attribute of that old number.
func hasOld(c isakmp.Configuration, t uint16) bool {
	return slices.ContainsFunc(c.Attributes, func(a isakmp.Attribute) bool { return a.Type == t })
}

// fromOld gives XAuth's attributes their new numbers.
func fromOld(c isakmp.Configuration) isakmp.Configuration {
	return renumber(c, isakmp.AttrCheckPointXAuthType, isakmp.AttrCheckPointXAuthStatus, oldToNew)
}

// toOld gives them their old ones. NEXT_PIN and ANSWER have none.
func toOld(c isakmp.Configuration) isakmp.Configuration {
	return renumber(c, isakmp.AttrXAuthType, isakmp.AttrXAuthStatus, -oldToNew)
}

// renumber adds to the types from first to last; the values are shared.
func renumber(c isakmp.Configuration, first, last uint16, add int) isakmp.Configuration {
	c.Attributes = slices.Clone(c.Attributes)
	for i := range c.Attributes {
		if a := &c.Attributes[i]; a.Type >= first && a.Type <= last {
			a.Type = uint16(int(a.Type) + add)
		}
	}
	return c
}
